"""What happened to what a predecessor had trained; see test_incidents.py."""

import json
import math

import modal
import pytest
from conftest import Client
from watching import LONG, checkpoints, newest_call, result

from training.compute.loopback.client import ControlPlane
from training.compute.modal.volume import ModalVolume
from training.errors import CheckpointError
from training.store.commit import commit_ending

pytestmark = pytest.mark.xdist_group("modal")


@pytest.mark.slow
def test_09_every_path_lies_below_the_volume(client: Client, trained: str) -> None:
    top = set(client.volume.listdir(""))
    assert top <= {"datasets", "trainings", "images"}
    assert "/data/" not in client.volume.read_bytes(client.directory(trained).spec_name).decode()


@pytest.mark.slow
def test_10_a_missing_artifact_fails_the_collection(client: Client) -> None:
    key = client.launch(client.config(6))
    assert client.follow(key) == "completed"
    found = result(client, key)
    assert found.checkpoint is not None
    assert commit_ending(client.directory(key)).files
    client.volume.remove(found.checkpoint.path)
    with pytest.raises((CheckpointError, FileNotFoundError)):
        commit_ending(client.directory(key))


@pytest.mark.slow
def test_17_only_last_best_and_kept_checkpoints_stay(client: Client, trained: str) -> None:
    config = client.config(1, **LONG)
    left = checkpoints(client, trained)
    assert left[-1] == "step-00000060"
    assert len(left) <= config.keep_last + 2  # and the best, and the one just saved
    assert len(left) < config.steps // config.save_every


@pytest.mark.slow
def test_21_a_call_that_returns_early_is_not_trained(client: Client) -> None:
    config = client.config(10, steps=100_000)
    key = client.key(config)
    client.start(config, deadline=2)
    client.follow(key)
    returned = modal.FunctionCall.from_id(newest_call(client)["call"]).get(timeout=300)
    assert returned["step"] < returned["target"]
    assert client.compute.status(key).state == "interrupted"
    assert result(client, key).status == "interrupted"


@pytest.mark.slow
def test_22_a_run_shorter_than_a_save_interval_has_a_finite_loss(client: Client) -> None:
    key = client.launch(client.config(11, steps=1, save_every=50))
    assert client.follow(key) == "completed"
    assert math.isfinite(result(client, key).numbers["loss_final"])


@pytest.mark.slow
def test_26_state_that_expired_is_rebuilt_from_the_volume(client: Client) -> None:
    config = client.config(12)
    key = client.launch(config)
    assert client.follow(key) == "completed"
    call = newest_call(client)["call"]
    client.plane.do("expire", call=call)
    assert client.compute.status(key).state == "completed"
    claims = modal.Dict.from_name("goap-training-claims")
    for number in range(3):
        claims.pop(f"{key}/{number}", None)
    assert client.compute.status(key).state == "completed"
    client.volume.remove(f"trainings/{key}")
    assert client.compute.status(key).state == "absent"
    client.start(config)
    assert client.follow(key) == "completed"
    assert json.loads(client.volume.read_bytes(f"trainings/{key}/attempts.json"))["count"] == 1


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
