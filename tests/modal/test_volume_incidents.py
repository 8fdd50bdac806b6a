"""What happened to what a predecessor had trained; test_incidents_of_scripts.py has the others."""

import dataclasses

import pytest
from scripts import Scripts

from training.compute.loopback.client import ControlPlane
from training.compute.modal.volume import ModalVolume
from training.errors import CheckpointError
from training.runner.keep import Keep
from training.store.commit import commit_ending

pytestmark = [pytest.mark.xdist_group("modal"), pytest.mark.both_clients]


@pytest.mark.slow
def test_10_and_17_what_is_kept_stays_and_a_missing_artifact_fails_the_collection(
    scripts: Scripts,
) -> None:
    script = scripts.make("kept", settings={"steps": 40, "every": 5})
    keep = Keep(last=2, every=20)
    script = dataclasses.replace(script, order=dataclasses.replace(script.order, keep=keep))
    ending = script.run()
    assert script.checkpoints == ["step-00000020", "step-00000035", "step-00000040"]
    assert commit_ending(script.directory).files
    assert ending.checkpoint is not None
    scripts.volume.remove(ending.checkpoint.path)
    with pytest.raises((CheckpointError, FileNotFoundError)):
        commit_ending(script.directory)


def test_a_part_of_a_file_is_read_and_what_did_not_change_is_not_fetched_again(
    plane: ControlPlane,
) -> None:
    path, volume = "trainings/somebody/training.log", ModalVolume(f"parts-{plane.token_id}")
    volume.write_bytes(path, b"Step 1/2: loss 0.5\nStep 2/2: loss 0.25\n")
    whole = volume.read_bytes(path)
    assert volume.size(path) == len(whole)
    assert volume.read_range(path, 10, 5) == whole[10:15]
    assert volume.read_range(path, -7) == whole[-7:]
    assert volume.size("trainings/nobody/training.log") is None
    with pytest.raises(FileNotFoundError):
        volume.read_range("trainings/nobody/training.log", 0)
    written = "trainings/somebody/note"
    for content in (b"one", b"other"):
        volume.write_bytes(written, content)
        assert volume.read_range(written, 0) == content
