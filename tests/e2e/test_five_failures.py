"""Five failures of a real training in one run, and nobody there to help."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from training.store.directory import TrainingDirectory

OLD = "0123456789abcdef"


def crowd(finished, volume):
    """Give a training of long ago the checkpoints of one that is finished, saved by itself."""
    (path,) = finished.glob("trainings/*")
    there, old = (
        TrainingDirectory.local(root, key) for root, key in ((finished, path.name), (volume, OLD))
    )
    order = there.read_order()
    assert order is not None
    old.write_order(replace(order, key=OLD, earlier=True))
    entries = there.store(order).entries()
    for entry in entries:
        copy = shutil.copytree(entry.path, old.root / old.checkpoint_name(entry.step))
        (copy / "goap-manifest.json").unlink()
    metrics = {entry.step: entry.metrics for entry in entries}
    assert len(old.store().seal_new(metrics.__getitem__, print)) == len(entries)


@pytest.mark.slow
def test_five_failures_in_one_run_are_recovered_from_and_each_is_visible(desk, finished, capsys):
    fates = desk.fates("disk", "memory", "nan", "kill")
    (Path(fates["GREMLINS"]) / "commits").write_text("once", encoding="utf-8")
    crowd(finished[0].volume, desk.volume)
    ended = desk.run("run", *desk.trained, **fates)
    assert ended.code == 0, ended.err

    shown = json.loads(desk.run("show", "last", "--events", "--json", f"state={desk.state}").out)[
        "data"
    ]
    assert [each["name"] for each in shown["failures"]] == [
        *("disk_full", "out_of_memory", "loss_not_finite", "training_interrupted", "connection"),
    ]
    first_steps = [plan["steps"][0]["action"] for plan in shown["plans"][1:]]
    assert first_steps == [
        *("free_space", "halve_micro_batch", "roll_back", "train", "commit_volume"),
    ]
    told = [each["type"] for each in shown["events"]]
    told = [each for each in told if each in ("plan.made", "step.failed")]
    assert told == ["plan.made", "step.failed"] * 5 + ["plan.made"]
    (path,) = (each for each in desk.volume.glob("trainings/*") if each.name != OLD)
    log = (path / "training.log").read_text(encoding="utf-8")
    assert log.rindex("Resuming at step 20 of 60") > log.rindex("Starting at step 0 of 60")
    with capsys.disabled():
        print("\n" + desk.run("show", "last", f"state={desk.state}").out)
