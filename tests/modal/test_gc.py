"""``goap gc`` on a Modal Volume: the same, with the names of images, and what runs there."""

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import until
from programs import goap
from scripts import Scripts

from training.compute.modal.carrier import image_name
from training.compute.modal.volume import ModalVolume
from training.compute.spending import accounts_of

pytestmark = [pytest.mark.xdist_group("modal"), pytest.mark.slow, pytest.mark.both_clients]


def gc(scripts: Scripts, where: Path, *words: str) -> Any:
    place = (f"volume={scripts.volume.name}", "compute=modal", "older=1s")
    ended = goap(scripts.plane, where, "gc", *place, *words, "--json")
    assert ended.code == 0, ended.err
    return json.loads(ended.out)["data"]


def test_what_nothing_cites_goes_and_what_runs_or_is_cited_stays(
    scripts: Scripts, tmp_path: Path
) -> None:
    scripts.volume = ModalVolume(f"garbage-{tmp_path.name}"[:60].lower())
    scripts.compute = type(scripts.compute)(scripts.volume, name="loopback")
    ended, cited = (scripts.make(f"gc-{seed}", settings={"steps": 1}) for seed in ("a", "b"))
    for script in (ended, cited):
        assert script.run().status == "completed"
    runs = scripts.make("gc-runs", settings={"steps": 400, "every": 5, "nap": 0.2})
    runs.start()
    runs.after()
    decision = tmp_path / "plans" / "0001-x.md"
    decision.parent.mkdir()
    decision.write_text(f"Decided by {cited.key}.", encoding="utf-8")
    used = {each.key: each.seconds for each in accounts_of(scripts.volume)}

    listed = gc(scripts, tmp_path)
    trainings = [each for each in listed["found"] if each["kind"] == "training"]
    assert [each["path"] for each in trainings] == [f"trainings/{ended.key}"]
    assert trainings[0]["bytes"] > 500
    assert listed["deleted"] == []
    assert gc(scripts, tmp_path, "--yes")["deleted"][0] == f"trainings/{ended.key}"

    keys = {ended.key, cited.key, runs.key}
    assert set(scripts.volume.listdir("trainings")) == keys - {ended.key}
    after = {each.key: each.seconds for each in accounts_of(scripts.volume)}
    assert after[ended.key] == used[ended.key]
    assert runs.state == "running"
    scripts.compute.stop(runs.key)
    runs.follow()


def test_the_name_of_an_image_that_nothing_uses_goes_where_the_client_can(
    scripts: Scripts, tmp_path: Path
) -> None:
    import modal

    script = scripts.make("gc-image", settings={"steps": 1}, requirements=("hypothesis>=6", "pip"))
    scripts.compute.prove(script.recipe, None, script.source, print, threading.Event())
    name = image_name(script.recipe)
    began = datetime.now(UTC).timestamp()
    until(lambda: datetime.now(UTC).timestamp() > began + 1)
    listed = [each["path"] for each in gc(scripts, tmp_path)["found"] if each["kind"] == "image"]
    assert name in listed
    place = (f"volume={scripts.volume.name}", "compute=modal", "older=1s", "--yes", "--json")
    ended = goap(scripts.plane, tmp_path, "gc", *place)
    assert ended.code == 0, ended.err
    if modal.__version__ >= "1.6":
        assert name in json.loads(ended.out)["data"]["deleted"]
    else:
        assert "this modal client cannot delete names" in ended.err
    # a launch builds what has no name any more
    assert script.run().status == "completed"
