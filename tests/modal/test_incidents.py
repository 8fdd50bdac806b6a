"""What happened to a predecessor, with our own models: that kills cost their weights no bit.

Verified with the real client against the loopback control plane; the cloud itself was not reached.
The same function carries scripts of anybody's, and with those each incident is met
(test_incidents_of_scripts.py): a test begins with the number of its incident in INCIDENTS of
test_table.py, which says where each is.
"""

from pathlib import Path
from typing import Any

import pytest
from conftest import until

from training.compute.loopback.client import ControlPlane
from training.compute.modal.compute import ModalCompute
from training.compute.modal.volume import ModalVolume
from training.compute.recipe import Hardware
from training.data.prepare import prepare
from training.learn.config import resolve
from training.own import order_of, own_source
from training.runner.ending import Ending
from training.store.directory import TrainingDirectory, dataset_name

pytestmark = [pytest.mark.xdist_group("modal"), pytest.mark.slow]


class Cats:
    """A training of one of our models on a few drawn cats."""

    def __init__(self, place: Path) -> None:
        from training.script.smoke import _photos

        manifest = prepare(_photos(place / "photos", 16), place, 16)
        self.volume = ModalVolume("goap-training")
        self.volume.upload(place, dataset_name(manifest.digest))
        self.compute = ModalCompute(self.volume, name="loopback")
        config = resolve(
            *("dit", "smoke"),
            steps=60,
            batch=4,
            sample_steps=1,
            warmup_steps=0,
            save_every=5,
        )
        self.order = order_of(config, manifest)
        self.directory = TrainingDirectory(self.volume, self.order.key)

    def start(self) -> str:
        hardware = Hardware(gpu=("A10G",))
        return self.compute.start(self.order, own_source(), hardware, None).call_id

    def weights(self) -> tuple[Ending, str]:
        """How it ended, when it did, and what its weights are."""
        until(lambda: not self.compute.status(self.order.key).at_work)
        ending = self.directory.read_ending()
        assert ending is not None
        assert (ending.status, ending.checkpoint is not None) == ("completed", True)
        assert ending.checkpoint is not None
        return ending, self.volume.sha256(f"{ending.checkpoint.path}/model.safetensors")

    def checkpoints(self) -> list[str]:
        listed = self.volume.listdir(self.directory.checkpoints_name)
        return [name for name in listed if name.startswith("step-")]


def test_12_and_16_two_kills_in_mid_training_lose_one_save_interval_and_no_bit(
    plane: ControlPlane, tmp_path: Path
) -> None:
    cats = Cats(tmp_path)
    cats.start()
    _, undisturbed = cats.weights()
    assert len(cats.checkpoints()) < 60 // 5  # what was not to be kept is gone
    cats.volume.remove(cats.directory.name)
    call = cats.start()

    def state() -> Any:
        (found,) = [each for each in plane.do("state")["calls"] if each["call"] == call]
        return found

    until(cats.checkpoints)
    plane.do("kill", fate="out_of_memory", call=call)
    until(lambda: state()["starts"] == 2)
    # the next one is killed between a checkpoint and its publication
    met = plane.do("fault", rpc="VolumeCommit", kind="hang", after=3)["faults_met"]
    until(lambda: plane.do("state")["faults_met"] > met)
    plane.do("kill", fate="crashed", call=call)
    plane.do("clear")
    again, weights = cats.weights()
    assert weights == undisturbed
    assert (state()["starts"], again.attempts) == (3, 3)
