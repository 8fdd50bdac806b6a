"""The script of our own two models, by the contract: files and variables in, files out."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from training.learn.diffusion import DiffusionTask
from training.learn.task import BatchLoss
from training.store.tensorfile import read_tensors

LITTLE = {"steps": 12, "save_every": 4, "log_every": 3, "sample_steps": 2, "validate_every": 6}
QUICK = {**LITTLE, "judged_samples": 0}


class StopsAt(DiffusionTask):
    """Sends this process SIGTERM in the middle of a step, counted in this attempt."""

    at = 1
    steps = 0

    def loss(self, model: nn.Module, inputs: tuple[Tensor, ...]) -> BatchLoss:
        if model.training:
            type(self).steps += 1
            if self.steps == self.at:
                os.kill(os.getpid(), signal.SIGTERM)
        return super().loss(model, inputs)


def stopped_at(step: int) -> dict[str, Any]:
    class Task(StopsAt):
        at = step

    return {"tasks": {"dit": Task}}


def weights(checkpoint: Path) -> dict[str, Tensor]:
    """All tensors of a checkpoint."""
    return {
        f"{file.stem}/{name}": tensor
        for file in sorted(checkpoint.glob("*.safetensors"))
        for name, tensor in read_tensors(file).items()
    }


def differing(one: Path, other: Path) -> list[str]:
    """Names of tensors that are not the same to the last bit."""
    left, right = weights(one), weights(other)
    assert left.keys() == right.keys()
    return [name for name in left if not torch.equal(left[name], right[name])]


def test_it_writes_rows_checkpoints_samples_and_a_result_with_all_that_gates_judge(
    bench: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    script = bench.scripted("a", **LITTLE, judged_samples=8)
    ran = script.run()
    assert (ran.code, ran.failure) == (0, None)
    assert ran.result is not None
    assert ran.result["step"] == 12
    assert {"validation_ratio", "average_distance", "sample_correlation"} <= ran.result.keys()
    assert (ran.result["dtype"], ran.result["torch"]) == ("float32", torch.__version__)
    assert [path.name for path in script.checkpoints()] == [
        "step-00000004",
        "step-00000008",
        "step-00000012",
    ]
    assert not list(
        script.path.glob("checkpoints/*/goap-manifest.json")
    )  # whoever started it seals
    assert [row["step"] for row in script.rows()] == [3, 6, 9, 12]
    assert (script.path / "samples" / "step-00000012.png").exists()
    lines = capsys.readouterr().out.splitlines()
    assert any("| Step 6/12 | Loss: 0." in line for line in lines)


@pytest.mark.parametrize("step", [4, 7])
def test_stopped_at_a_checkpoint_or_between_two_it_ends_with_the_very_same_weights(
    bench: Any, step: int
) -> None:
    whole, broken = bench.scripted("whole", **QUICK), bench.scripted("broken", **QUICK)
    whole.run()
    first = broken.run(**stopped_at(step))
    assert (first.code, first.result, first.failure) == (0, None, None)
    assert broken.checkpoints()[-1].name == f"step-{step:08d}"
    second = broken.run()
    assert second.result is not None
    assert differing(whole.checkpoints()[-1], broken.checkpoints()[-1]) == []
    assert [row["loss"] for row in broken.rows()][-1] == whole.rows()[-1]["loss"]


def test_it_goes_on_from_the_checkpoint_it_is_told_and_cuts_the_rows_after_it(bench: Any) -> None:
    script = bench.scripted("a", **{**QUICK, "log_every": 1})
    script.run(**stopped_at(10))
    before = script.rows()
    script.run(resume=script.checkpoints()[0])
    steps = [row["step"] for row in script.rows()]
    assert steps == list(range(1, 13))
    assert [row["loss"] for row in script.rows()][:10] == [row["loss"] for row in before]


def test_a_deadline_that_has_passed_ends_it_after_one_step_with_a_checkpoint(bench: Any) -> None:
    script = bench.scripted("a", **QUICK)
    ran = script.run(deadline=time.time() - 1)
    assert (ran.code, ran.result, ran.failure) == (0, None, None)
    assert [path.name for path in script.checkpoints()] == ["step-00000001"]


def test_numbers_that_cannot_become_a_model_are_a_failure_with_a_name(bench: Any) -> None:
    class Trivial(DiffusionTask):
        def loss(self, model: nn.Module, inputs: tuple[Tensor, ...]) -> BatchLoss:
            found = super().loss(model, inputs)
            return replace(found, per_image=1e-9 * found.per_image)

    ran = bench.scripted("a", **QUICK).run(tasks={"dit": Trivial})
    assert ran.code == 1
    assert ran.result is None
    assert ran.failure is not None
    assert (ran.failure["name"], ran.failure["class"]) == ("loss_collapsed", "numeric")
    assert "step 1" in ran.failure["message"]


def test_a_checkpoint_of_the_version_that_sealed_them_itself_is_gone_on_from(bench: Any) -> None:
    """The numbers so far and the arithmetic are in its manifest, not in its state."""
    whole, old = bench.scripted("whole", **QUICK), bench.make("old", **QUICK)
    whole.run()
    bench.run(old)
    after = bench.scripted("after", **QUICK)
    earlier = old.checkpoints_path / "step-00000008"
    ran = after.run(resume=earlier)
    assert ran.result is not None
    assert "validation_first" in ran.result
    assert differing(whole.checkpoints()[-1], after.checkpoints()[-1]) == []


def test_a_checkpoint_of_another_model_is_refused_by_name(bench: Any) -> None:
    other = bench.scripted("other", **{**QUICK, "dim": 32, "steps": 1})
    other.run()
    ran = bench.scripted("a", **QUICK).run(resume=other.checkpoints()[-1])
    assert ran.failure is not None
    assert (ran.failure["name"], ran.failure["class"]) == ("checkpoint_invalid", "permanent")
    assert "the model has" in ran.failure["message"]


def test_as_a_process_it_needs_only_what_the_contract_gives(bench: Any, tmp_path: Path) -> None:
    script = bench.scripted("a", **{**QUICK, "steps": 2})
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({**script.config.model_dump(mode="json"), "threads": 1}))
    data = bench.volume / "datasets" / bench.dataset
    given = {"GOAP_RUN_DIR": script.path, "GOAP_DATA_DIR": data, "GOAP_SETTINGS": settings}
    done = subprocess.run(
        [sys.executable, "-m", "training.script"],
        env={**os.environ, **{name: str(value) for name, value in given.items()}},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((script.path / "result.json").read_bytes())["step"] == 2
    assert "| INFO    | Step 2/2 | Loss: 0." in done.stdout
