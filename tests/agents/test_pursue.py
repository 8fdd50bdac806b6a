"""The loop: observe, plan, act, verify, recover, record."""

import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from agents.declare.actions import Cost
from agents.declare.facts import Condition
from agents.declare.outcome import Decision, Outcome
from agents.errors import (
    ActionFailed,
    FailureClass,
    Interrupted,
    Locked,
    NotApproved,
    StalePlan,
    Transient,
    Unauthenticated,
    Unreachable,
)
from agents.ledger.payloads import RunFinished, RunStarted
from agents.ledger.store import Ledger
from agents.records import write_records
from agents.run.identity import close_lost_runs
from agents.run.lock import exclusive


def fault(error):
    def fail(_context):
        raise error

    return fail


def types(events):
    return [event.type for event in events]


def test_a_goal_is_observed_planned_pursued_verified_and_recorded(kit):
    events = kit.run()
    assert sorted(kit.tea.calls[:2]) == ["fill", "shop"]
    assert kit.tea.calls[2:] == ["boil", "brew"]
    assert (kit.tea.root / "tea").exists()
    assert types(events)[:3] == ["run.started", "facts.observed", "plan.made"]
    assert types(events).count("step.verified") == 4
    assert events[-1].payload == RunFinished(status="done", exit_code=0)


def test_a_goal_that_holds_needs_nothing_and_calls_nothing(kit):
    kit.tea.make("tea")
    events = kit.run()
    assert kit.tea.calls == []
    assert events[-1].data["status"] == "nothing to do"


def test_only_what_is_missing_is_done(kit):
    kit.tea.make("water", "hot")
    kit.run()
    assert kit.tea.calls == ["shop", "brew"]


def test_independent_steps_run_at_the_same_time(kit):
    both = threading.Barrier(2, timeout=60)

    def meet(context):
        both.wait()
        kit.tea.make("water", "leaves")

    kit.tea.fail("fill", meet)
    kit.tea.fail("shop", meet)
    kit.run()
    assert (kit.tea.root / "tea").exists()


def test_a_promise_that_is_not_kept_is_a_failure_of_the_step_and_another_way_is_found(kit):
    kit.tea.fail("boil", lambda _: None)
    events = kit.run()
    failed = [event.data for event in events if event.type == "step.failed"]
    assert [(each["step"], each["name"]) for each in failed] == [("boil", "effect_not_seen")]
    assert kit.tea.calls[-2:] == ["make_fire", "brew"]
    plans = [event.data for event in events if event.type == "plan.made"]
    assert plans[1]["excluded"] == ["boil"]
    assert "hot is false" in plans[1]["because"]


def test_a_failure_changes_a_fact_and_the_next_plan_starts_from_that_fact(kit):
    def spill(_context):
        (kit.tea.root / "water").unlink()
        raise ActionFailed("the kettle fell", failure_class=FailureClass.RESOURCE, name="spilled")

    kit.tea.fail("boil", spill)
    kit.run()
    # with the water gone, boiling failed in another situation than it is in after filling again
    assert kit.tea.calls.count("fill") == 2
    assert kit.tea.calls.count("boil") + kit.tea.calls.count("make_fire") == 2


def test_a_passing_failure_is_tried_again_three_times_in_all(kit):
    passing = fault(Transient("no answer"))
    kit.tea.make("water", "leaves", "hot")
    kit.tea.fail("brew", passing, passing)
    kit.run()
    assert kit.tea.calls == ["brew"] * 3


def test_a_passing_failure_that_stays_ends_with_exit_code_3(kit):
    kit.tea.make("water", "leaves", "hot")
    kit.tea.fail("brew", *[fault(Transient("no answer"))] * 9)
    with pytest.raises(Transient) as caught:
        kit.run()
    assert caught.value.exit_code == 3
    assert kit.tea.calls == ["brew"] * 3
    assert kit.events()[-1].data["exit_code"] == 3


def test_the_same_failure_with_nothing_changed_is_not_repeated(kit):
    kit.tea.make("water", "leaves", "hot")
    kit.tea.fail("brew", *[fault(ActionFailed("the cup is broken", name="broken"))] * 9)
    with pytest.raises(ActionFailed, match="the cup is broken") as caught:
        kit.run()
    assert caught.value.exit_code == 1
    assert kit.tea.calls == ["brew"]


def test_an_interrupted_step_goes_on_as_long_as_it_gets_further(kit):
    def interrupted(progress):
        return fault(
            ActionFailed("interrupted", failure_class=FailureClass.INTERRUPTED, progress=progress)
        )

    kit.tea.make("water", "leaves", "hot")
    kit.tea.fail("brew", *[interrupted(f"step {n}") for n in range(6)])
    kit.run()
    assert kit.tea.calls == ["brew"] * 7

    (kit.tea.root / "tea").unlink()
    kit.tea.calls.clear()
    kit.tea.fail("brew", *[interrupted("step 0")] * 9)
    with pytest.raises(ActionFailed):
        kit.run()
    assert len(kit.tea.calls) == 2


def test_missing_credentials_end_with_exit_code_8_and_the_fix(kit):
    kit.tea.make("water", "leaves", "hot")
    kit.tea.fail("brew", fault(Unauthenticated("no token", fix="modal token new")))
    with pytest.raises(Unauthenticated) as caught:
        kit.run()
    assert (caught.value.exit_code, caught.value.fix) == (8, "modal token new")


def test_anything_unforeseen_is_a_failure_of_class_unknown_and_not_a_crash(kit):
    kit.tea.fail("boil", fault(ZeroDivisionError("division by zero")))
    events = kit.run()
    failed = next(event.data for event in events if event.type == "step.failed")
    assert (failed["class"], failed["name"]) == ("unknown", "ZeroDivisionError")
    assert (kit.tea.root / "tea").exists()


def test_a_step_that_outlasts_its_limit_is_cancelled_and_counts_as_passing(kit):
    def hang(context):
        assert context.cancelled.wait(30)
        raise Interrupted("gave up")

    kit.catalogue.actions["boil"] = dataclasses.replace(kit.catalogue.actions["boil"], timeout=0.05)
    kit.tea.fail("boil", hang)
    events = kit.run()
    failed = [event.data for event in events if event.type == "step.failed"]
    assert [(each["name"], each["class"]) for each in failed] == [("timeout", "transient")]
    assert kit.tea.calls.count("boil") == 2


def test_no_way_to_the_goal_ends_with_exit_code_4_and_names_what_is_missing(kit):
    del kit.catalogue.actions["fill"]
    with pytest.raises(Unreachable, match="water") as caught:
        kit.run()
    assert caught.value.exit_code == 4
    assert kit.tea.calls == []


def test_a_request_to_stop_ends_the_run_and_the_next_run_continues(kit):
    stop = threading.Event()

    def stopped(context):
        stop.set()
        assert context.cancelled.wait(30)
        raise Interrupted("put the kettle down")

    kit.tea.fail("boil", stopped)
    with pytest.raises(Interrupted) as caught:
        kit.run(stop=stop)
    assert caught.value.exit_code == 130
    assert kit.events()[-1].data["status"] == "interrupted"
    kit.run()
    assert kit.tea.calls.count("fill") == 1
    assert (kit.tea.root / "tea").exists()


def test_a_plan_that_is_not_the_one_that_was_shown_is_refused(kit):
    with pytest.raises(StalePlan) as caught:
        kit.run(plan_digest="0" * 64)
    assert caught.value.exit_code == 6
    assert kit.tea.calls == []


def test_a_plan_that_costs_money_needs_a_cap_and_respects_it(kit, tea):
    brew = kit.catalogue.actions["brew"]
    kit.catalogue.actions["brew"] = dataclasses.replace(brew, cost=lambda _: Cost(4, 3.0))
    with pytest.raises(NotApproved, match=r"\$3\.00") as caught:
        kit.run()
    assert caught.value.exit_code == 5
    with pytest.raises(NotApproved, match=r"\$3\.00"):
        kit.run(max_cost=2.5)
    assert tea.calls == []
    kit.run(max_cost=3.5)
    assert tea.calls[-1] == "brew"


def test_a_sensor_that_hangs_makes_its_fact_unknown_and_not_false(kit):
    release = threading.Event()
    stuck = kit.catalogue.sensors["power"]
    kit.catalogue.sensors["power"] = type(stuck)(
        "power", lambda _: release.wait(30), (), timeout=0.05
    )
    events = kit.run()
    release.set()
    readings = next(event.data for event in events if event.type == "facts.observed")["readings"]
    assert readings["power"]["value"] is None
    assert "no answer within" in readings["power"]["evidence"]
    assert "make_fire" in kit.tea.calls


def test_one_runner_at_a_time_and_the_other_is_told_who_holds_the_lock(tmp_path):
    with exclusive(tmp_path, {"run": "r1", "goal": "served"}):
        second = exclusive(tmp_path, {"run": "r2", "goal": "served"})
        with pytest.raises(Locked, match=rf"pid {os.getpid()}, run r1, served") as caught, second:
            pytest.fail("two hold the lock")
        assert caught.value.exit_code == 7
    with exclusive(tmp_path, {"run": "r3", "goal": "served"}):
        pass


def test_a_killed_holder_leaves_no_lock_behind(tmp_path, processes):
    program = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from agents.run.lock import exclusive
        with exclusive(Path(sys.argv[1]), {"run": "r1", "goal": "served"}):
            print("held", flush=True)
            sys.stdin.read()
        """
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    holder = processes([sys.executable, "-c", program, str(tmp_path)], **pipes)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(Locked), exclusive(tmp_path, {}):
        pytest.fail("two hold the lock")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with exclusive(tmp_path, {}):
        pass


def test_a_run_that_was_killed_is_closed_as_lost_by_the_next(kit):
    with Ledger(kit.state / "ledger.db") as ledger:
        pursuit = kit.pursuit(ledger)
        pursuit._record("served", RunStarted(goal="served"))
        assert close_lost_runs(ledger) == [pursuit.run_id]
        assert close_lost_runs(ledger) == []
        assert ledger.events()[-1].data["status"] == "lost"


def test_what_cannot_be_seen_yet_is_looked_at_when_it_can_and_planned_anew(kit):
    # the leaves are behind the kettle: they are out of sight, and of reach, until it is filled
    behind = (Condition("water", True),)
    look, shop = kit.catalogue.sensors["leaves"], kit.catalogue.actions["shop"]
    kit.catalogue.sensors["leaves"] = dataclasses.replace(look, needs=behind)
    kit.catalogue.actions["shop"] = dataclasses.replace(shop, needs=lambda _: behind)
    kit.tea.make("leaves")
    events = kit.run()
    # shopping was planned while they were out of sight, and given up when they were seen
    assert "shop" not in kit.tea.calls
    plans = [[step["id"] for step in event.data["steps"]] for event in events if _is_plan(event)]
    assert "shop" in plans[0]
    assert "shop" not in plans[-1]
    readings = next(event.data for event in events if event.type == "facts.observed")["readings"]
    assert readings["leaves"] == {"value": None, "evidence": "cannot be seen until: water"}


def test_an_unknown_fact_with_a_hope_is_observed_as_a_step_of_the_plan(kit):
    look = kit.catalogue.sensors["power"]
    kit.catalogue.sensors["power"] = dataclasses.replace(
        look, needs=(Condition("water", True),), hope=True
    )
    events = kit.run()
    plans = [[step["id"] for step in event.data["steps"]] for event in events if _is_plan(event)]
    assert plans[0].index("fill") < plans[0].index("observe_power") < plans[0].index("boil")
    assert "boil" in kit.tea.calls


def test_a_hope_that_is_not_fulfilled_is_a_fact_to_plan_from(kit):
    look = kit.catalogue.sensors["power"]
    kit.catalogue.sensors["power"] = dataclasses.replace(
        look, needs=(Condition("water", True),), hope=True
    )
    (kit.tea.root / "power").unlink()
    kit.run()
    assert "boil" not in kit.tea.calls
    assert "make_fire" in kit.tea.calls


def _is_plan(event):
    return event.type == "plan.made"


def test_after_a_passing_failure_the_rest_of_the_same_plan_goes_on(kit):
    kit.tea.fail("boil", fault(Transient("no answer")))
    events = kit.run()
    plans = [event.data for event in events if _is_plan(event)]
    assert [step["id"] for step in plans[1]["steps"]] == ["boil", "brew"]
    assert plans[1]["cost"] == 9
    assert plans[1]["status"] == "optimal"
    assert kit.tea.calls.count("fill") == 1


def test_records_can_be_made_of_a_run_of_whoever_told_it_nothing(kit, tmp_path):
    def decided(_context):
        kit.tea.make("tea")
        return Outcome(
            summary="", decision=Decision(key="t", title="Tea", context="c", decision="d")
        )

    brew = kit.catalogue.actions["brew"]
    kit.catalogue.actions["brew"] = dataclasses.replace(brew, run=decided)
    names = {change.path.name for change in write_records(kit.run(), tmp_path / "repo")}
    assert "ADR-001-tea.md" in names
