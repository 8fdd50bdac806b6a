"""``goap bill``: the accounts of trainings beside the platform's own report."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from programs import goap
from scripts import Script, Scripts

from training.compute.loopback.client import ControlPlane
from training.compute.modal.volume import ModalVolume
from training.compute.recipe import Hardware

pytestmark = [pytest.mark.xdist_group("modal"), pytest.mark.slow, pytest.mark.both_clients]

RATE = (3600.0, 3600.0, 3600.0)
"""A dollar a second."""


@pytest.fixture
def billed(scripts: Scripts) -> Scripts:
    """Trainings on a volume of their own, and a bill of two dollars a second of any container."""
    scripts.volume = ModalVolume(f"billed-{scripts.place.name}"[:60].lower())
    scripts.compute = type(scripts.compute)(scripts.volume, name="loopback")
    scripts.plane.do("bill", usd_per_hour=7200)
    return scripts


def made(billed: Scripts, seed: str, requirements: tuple[str, ...], **hardware: Any) -> Script:
    bought = Hardware(usd_per_hour=RATE, **hardware)
    script = billed.make(seed, settings={"steps": 1}, requirements=requirements, hardware=bought)
    assert script.run().status == "completed"
    return script


def bill(billed: Scripts, where: Path, *words: str) -> Any:
    place = (f"volume={billed.volume.name}", "compute=modal")
    ended = goap(billed.plane, where, "bill", *place, *words, "--json")
    assert ended.code == 0, ended.err
    return json.loads(ended.out)["data"]


def test_the_difference_to_the_bill_is_shown_for_each_training(
    billed: Scripts, tmp_path: Path
) -> None:
    # an image that no other test uses, so that its app is of these trainings alone
    needs = ("hypothesis>=6", "pytest")
    first, second = (made(billed, f"bill-{number}", needs) for number in range(2))
    own = made(billed, "bill-own", needs, tags=(("training", "{key}"),))
    found = bill(billed, tmp_path)
    assert (found["billed"], found["why"]) == (True, "")
    rows = {row["training"]: row for row in found["by_training"]}
    assert set(rows) == {first.key, second.key, own.key}
    for script, shared_by in ((first, 2), (second, 2), (own, 1)):
        row = rows[script.key]
        assert row["seconds"] == row["usd"] == sum_of(script)
        assert row["shared_by"] == shared_by
        # twice the price, and the container's own start besides, which it cannot see
        assert row["billed_usd"] > 1.5 * row["usd"]
        assert row["difference"] == pytest.approx(row["billed_usd"] - row["usd"], abs=1e-5)
    one = bill(billed, tmp_path, own.key[:8])
    assert [row["training"] for row in one["by_training"]] == [own.key]
    text = goap(billed.plane, tmp_path, "bill", f"volume={billed.volume.name}").out
    assert "~ their app is shared" in text


def sum_of(script: Script) -> float:
    newest = {use["attempt"]: use["seconds"] for use in script.uses}
    return round(sum(newest.values()), 3)


def test_where_there_is_no_report_that_is_said_and_the_accounts_are_shown_alone(
    billed: Scripts, tmp_path: Path, plane: ControlPlane
) -> None:
    script = made(billed, "bill-none", ())
    refused = {"kind": "error", "status": "PERMISSION_DENIED", "message": "of a larger plan"}
    plane.do("fault", rpc="WorkspaceBillingReport", times=0, **refused)
    found = bill(billed, tmp_path)
    assert found["billed"] is False
    assert found["why"].startswith("modal billing report: ")
    assert "of a larger plan" in found["why"]
    (row,) = found["by_training"]
    assert (row["training"], row["billed_usd"]) == (script.key, None)
    assert row["usd"] == sum_of(script)


def test_what_a_running_call_may_still_use_is_set_aside(billed: Scripts, tmp_path: Path) -> None:
    script = billed.make("bill-runs", settings={"steps": 400, "nap": 0.2, "every": 5})
    script = dataclasses.replace(script, hardware=Hardware(usd_per_hour=RATE))
    script.start(1000)
    script.after()
    (row,) = bill(billed, tmp_path)["by_training"]
    assert 900 < row["set_aside"] <= 1000
    billed.compute.stop(script.key)
    script.follow()
    (row,) = bill(billed, tmp_path)["by_training"]
    assert row["set_aside"] == 0
