"""Budgets of a day and a month, over all that share a volume: set aside before a call is made."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import modal
import pytest
from conftest import until
from programs import goap
from scripts import Script, Scripts

from training.compute.loopback.client import find
from training.compute.modal.compute import ModalCompute
from training.compute.modal.volume import ModalVolume
from training.compute.recipe import Hardware
from training.compute.spending import Limits, accounts_of
from training.errors import BudgetUsedUp, TrainingError

pytestmark = [pytest.mark.xdist_group("modal"), pytest.mark.slow, pytest.mark.both_clients]

RATE = (3600.0, 3600.0, 3600.0)
"""A dollar a second."""

LAUNCH = """
import base64, json, pathlib, sys
from training.compute.modal.compute import ModalCompute
from training.compute.modal.volume import ModalVolume
from training.compute.recipe import Hardware
from training.compute.spending import Limits
from training.errors import BudgetUsedUp
from training.runner.order import Order
class Source:
    def __init__(self, files): self.files, self.digest, self.beside = files, "", None
    def stage(self, directory):
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            pathlib.Path(directory, name).write_bytes(base64.b64decode(content))
limits = Limits(usd_per_day=float(sys.argv[4]), bill="goap bill")
compute = ModalCompute(ModalVolume(sys.argv[1]), name="loopback", limits=limits)
order, source = Order.from_json(sys.argv[2]), Source(json.loads(sys.argv[3]))
hardware = Hardware(usd_per_hour=(3600.0, 3600.0, 3600.0))
try:
    print(compute.start(order, source, hardware, 100.0).call_id)
except BudgetUsedUp as error:
    print(error.message)
"""


@pytest.fixture
def paid(scripts: Scripts) -> Scripts:
    """Trainings on a volume of their own, with a price."""
    scripts.volume = ModalVolume(f"paid-{scripts.place.name}"[:60].lower())
    return scripts


def limited(paid: Scripts, later: float = 0.0, **limits: float) -> Scripts:
    """Launches from now on under these limits, by a clock that is ahead by so many seconds."""
    bounds = Limits(**limits, bill="goap bill")  # type: ignore[arg-type]
    clock = partial(_ahead, timedelta(seconds=later))
    paid.compute = ModalCompute(paid.volume, clock=clock, name="loopback", limits=bounds)
    return paid


def _ahead(later: timedelta) -> datetime:
    return datetime.now(UTC) + later


def made(paid: Scripts, seed: str, **settings: Any) -> Script:
    return paid.make(seed, settings=settings, hardware=Hardware(usd_per_hour=RATE))


def slots(paid: Scripts) -> dict[str, Any]:
    entries = modal.Dict.from_name(f"goap-budget-{paid.volume.name}").items()
    return {str(name): value for name, value in entries}


def launcher(paid: Scripts, script: Script, usd_per_day: float) -> Any:
    words = (paid.volume.name, script.order.to_json(), script.source.words(), str(usd_per_day))
    return paid.python(paid.plane, LAUNCH, *words)


def test_of_launchers_at_once_no_two_get_the_last_dollars(paid: Scripts) -> None:
    scripts = [made(paid, f"at-once-{number}", steps=1) for number in range(4)]
    # none is over, and its money free, before the last one asked
    paid.plane.do("fault", rpc="FunctionGetInputs", kind="late", seconds=3600, times=0)
    launchers = [launcher(paid, script, usd_per_day=220) for script in scripts]
    said = []
    for script, each in zip(scripts, launchers, strict=True):
        out, err = each.communicate()
        while not out:  # another one was asking all the time
            assert "run the same command" in err, err
            out, err = launcher(paid, script, usd_per_day=220).communicate()
        said.append(out.strip())
    paid.plane.do("clear")
    assert sum(each.startswith("fc-") for each in said) == 2, said
    refused = [each for each in said if not each.startswith("fc-")]
    assert all("used up" in each for each in refused), said
    assert len(paid.new_calls) == 2
    assert len(slots(paid)) >= 2
    # what was refused left no claim that anybody has to wait for: it goes on when there is money
    until(lambda: all(call["state"] == "done" for call in paid.new_calls))
    limited(paid, usd_per_day=400)
    for script in scripts:
        script.start(100)
        assert script.follow() == "completed"
    used = sum(spent.at_most(0.0) for spent in accounts_of(paid.volume))
    assert used < 4 * 60


def test_a_launcher_killed_before_its_call_leaves_no_money_set_aside_for_ever(
    paid: Scripts,
) -> None:
    first, second = made(paid, "killed", steps=1), made(paid, "after-it", steps=1)
    met = paid.plane.do("fault", rpc="FunctionMap", kind="hang")["faults_met"]
    process = launcher(paid, first, usd_per_day=150)
    until(lambda: paid.plane.do("state")["faults_met"] > met)
    process.kill()
    process.communicate()
    paid.plane.do("clear")
    assert slots(paid)["0"]["usd"] == pytest.approx(105)
    limited(paid, later=3600, usd_per_day=150)

    def launched() -> bool:
        try:
            return bool(second.start(100))
        except BudgetUsedUp:
            return False  # not settled yet

    until(launched, 180)
    assert slots(paid)["0/begun"] == ""
    assert second.follow() == "completed"


def test_what_was_set_aside_for_a_call_that_was_refused_is_free_at_once(paid: Scripts) -> None:
    limited(paid, usd_per_day=150)
    first, second = made(paid, "refused", steps=1), made(paid, "instead", steps=1)
    paid.plane.do("fault", rpc="FunctionMap", kind="refused", refusal="spend_limit", times=1)
    with pytest.raises(TrainingError) as refused:
        first.start(100)
    assert refused.value.code == "spend_limit"
    assert slots(paid)["0/begun"] == ""
    assert paid.compute.set_aside() == {}
    second.start(100)
    assert second.follow() == "completed"


def test_a_call_whose_money_was_given_back_ends_before_it_trains(paid: Scripts) -> None:
    limited(paid, usd_per_day=1000)
    script = made(paid, "late", steps=1)
    reserved = modal.Dict.from_name(f"goap-budget-{paid.volume.name}", create_if_missing=True)
    reserved.put("0/begun", "")
    script.start(100)
    until(lambda: paid.compute.owner(script.key) is None)
    assert "what was set aside for it was given back" in paid.compute.status(script.key).said
    assert script.uses == []


def test_a_container_ends_when_the_budget_does_and_goes_on_when_there_is_more(
    paid: Scripts,
) -> None:
    limited(paid, usd_per_day=12.6)
    script = made(paid, "ends", steps=400, every=5, nap=0.2)
    script.start(12)
    assert script.follow() == "interrupted"
    assert 8 < accounts_of(paid.volume)[0].seconds < 16, script.uses
    with pytest.raises(BudgetUsedUp):
        script.start(12)
    reached = script.ending.step
    assert reached > 5
    limited(paid, usd_per_day=1000)
    script.start()
    until(lambda: (paid.compute.status(script.key).step or 0) > reached)
    paid.compute.stop(script.key)
    script.follow()


JOB = """
from pydantic import BaseModel, Field
from actions import toolkit
from training import Training

class Settings(BaseModel):
    steps: int = Field(3, ge=1, description="steps")

CATALOGUE = toolkit(Training(
    "tiny", settings=Settings, command="python script.py {steps}", source=["script.py"],
    target="steps",
))
"""

SCRIPT = """
import sys
from training.contract import run
for step in run.steps(run.step, int(sys.argv[1])):
    run.log(step, loss=1.0)
run.finish(loss_final=1.0)
"""


SLOW = """
import sys, time
from training.contract import run
run.resume()
for step in run.steps(run.step, int(sys.argv[1])):
    time.sleep(0.2)
    run.log(step, loss=1.0)
    if run.save_due(step, every=5):
        with run.checkpoint(step) as directory:
            (directory / "step").write_text(str(step))
run.finish(loss_final=1.0)
"""

PLACE = ("compute=loopback", "volume=reached", "state=state")


def today() -> str:
    return f"day={datetime.now(UTC).date().isoformat()}"


def budgeted(folder: Path, usd_per_day: float) -> None:
    """Say a budget, and the price of a rehearsal."""
    text = f'[tool.goap]\ncatalogue = "job:CATALOGUE"\nusd_per_day = {usd_per_day}\n'
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    rate = {"low": 3600.0, "expected": 3600.0, "high": 3600.0}
    said = {"loopback": {"usd_per_hour": rate, "source": "made up", "seen": "today"}}
    (folder / "state").mkdir(exist_ok=True)
    (folder / "state" / "rates.json").write_text(json.dumps(said), encoding="utf-8")


@pytest.fixture
def rehearsed(tmp_path: Path) -> Iterator[Path]:
    """A folder with a job, whose control plane ends with the test."""
    (tmp_path / "job.py").write_text(JOB, encoding="utf-8")
    yield tmp_path
    plane = find(tmp_path / "state" / "loopback")
    if plane is not None:
        plane.do("stop")


def test_a_run_warns_at_eighty_percent_and_ends_with_exit_code_5_when_the_budget_is_used_up(
    rehearsed: Path,
) -> None:
    (rehearsed / "script.py").write_text(SCRIPT, encoding="utf-8")
    words = ("run", "goal=tiny_trained", "compute=loopback", "state=state", "volume=budgeted")
    budgeted(rehearsed, 700)
    ended = goap(None, rehearsed, *words)
    assert ended.code == 0, ended.err
    assert "90% of the budget of" in ended.err + ended.out
    budgeted(rehearsed, 1)
    ended = goap(None, rehearsed, *words, "steps=4")
    assert ended.code == 5, ended.err
    assert f"the budget of {today().removeprefix('day=')} (UTC) is used up" in ended.err
    assert f"bill compute=loopback volume=budgeted {today()} shows what used it" in ended.err


def test_a_run_that_reaches_the_budget_ends_with_exit_code_5_and_goes_on_when_there_is_more(
    rehearsed: Path,
) -> None:
    (rehearsed / "script.py").write_text(SLOW, encoding="utf-8")
    budgeted(rehearsed, 12)
    words = ("run", "goal=tiny_trained", *PLACE)
    ended = goap(None, rehearsed, *words, "slice_seconds=8", "steps=60")
    assert ended.code == 5, ended.err
    assert "used up" in ended.err
    assert "is too little to start" in ended.err
    assert "of $12.00" in goap(None, rehearsed, "bill", *PLACE, today()).out
    budgeted(rehearsed, 1000)
    ended = goap(None, rehearsed, *words, "steps=60")
    assert ended.code == 0, ended.err
