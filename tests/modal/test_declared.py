"""What a user declares, on Modal by the command line: its data, its policy, its bucket.

Verified with the real client against the loopback control plane; the cloud was not reached.
"""

import json
from pathlib import Path

import pytest
from programs import Ended, goap

from training.compute.loopback.client import ControlPlane
from training.compute.modal.volume import ModalVolume

pytestmark = pytest.mark.xdist_group("modal")

SCRIPT = """
import json, os
from pathlib import Path
from training.contract import run
for step in run.steps(run.step, run.settings["steps"]):
    run.log(step, loss=1 / step)
    if run.save_due(step, every=2):
        with run.checkpoint(step) as directory:
            (directory / "state.json").write_text(json.dumps({"step": step}))
texts = [*Path(os.environ["GOAP_DATA_DIR"]).rglob("*.txt")] if os.environ["GOAP_DATA_DIR"] else []
run.finish(words=len(" ".join(path.read_text() for path in texts).split()))
"""

JOB = """
from pydantic import BaseModel

from actions import toolkit
from training import Gate, Keep, Prepare, Training

class Settings(BaseModel):
    steps: int = 12

tiny = Training(
    "tiny",
    settings=Settings,
    command="python train.py",
    source=["train.py"],
    keep=Keep(last=4),
)
CATALOGUE = toolkit(tiny)
"""


class Folder:
    """A folder with a job in it, that runs on the control plane."""

    def __init__(self, plane: ControlPlane, path: Path, name: str) -> None:
        self.plane, self.path, self.volume = plane, path, ModalVolume(name[5:60])
        self.write("job.py", JOB)
        self.write("train.py", SCRIPT + f"# {name}\n")
        self.write("pyproject.toml", '[tool.goap]\ncatalogue = "job:CATALOGUE"\n')

    def write(self, name: str, text: str) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def change(self, before: str, after: str) -> None:
        text = (self.path / "job.py").read_text(encoding="utf-8")
        assert before in text
        self.write("job.py", text.replace(before, after))

    def words(self) -> list[str]:
        where = ("compute=modal", f"volume={self.volume.name}")
        return ["run", "goal=tiny_trained", *where, "--json"]

    def run(self, code: int = 0) -> Ended:
        ended = goap(self.plane, self.path, *self.words())
        assert ended.code == code, ended.out + ended.err
        return ended

    @property
    def training(self) -> str:
        (key,) = self.volume.listdir("trainings")
        return f"trainings/{key}"

    @property
    def checkpoints(self) -> list[str]:
        listed = self.volume.listdir(f"{self.training}/checkpoints")
        return [name for name in listed if name.startswith("step-")]

    def numbers(self) -> dict[str, float]:
        verdict = json.loads(self.volume.read_bytes(f"{self.training}/verdict.json"))
        return dict(verdict["numbers"])


@pytest.fixture
def folder(plane: ControlPlane, tmp_path: Path, request: pytest.FixtureRequest) -> Folder:
    return Folder(plane, tmp_path, request.node.name)


@pytest.mark.slow
def test_a_policy_that_changed_after_the_end_prunes_what_is_there(folder: Folder) -> None:
    folder.run()
    assert len(folder.checkpoints) == 4
    folder.change("Keep(last=4)", "Keep(last=1, every=8)")
    said = folder.run().out
    assert folder.checkpoints == ["step-00000008", "step-00000012"]
    assert "prune_tiny" in said
