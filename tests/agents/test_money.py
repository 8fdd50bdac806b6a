"""Money and approval: reserved, settled, never over the cap; approved once, for one plan."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta

import pytest

from agents.cli.main import invoke
from agents.declare.actions import Cost
from agents.declare.facts import Condition
from agents.declare.outcome import Measurement, Outcome
from agents.declare.rates import read_rates
from agents.errors import Interrupted, NotApproved, Transient, UsageError

BASIS = "oven"


@pytest.fixture
def call(kit, capsys):
    def call(*words, code=0):
        assert invoke(lambda: kit.catalogue, [*words, f"state={kit.state}"]) == code
        return capsys.readouterr()

    return call


def data_of(printed):
    return json.loads(printed.out)["data"]


def change(kit, name, **changes):
    kit.catalogue.actions[name] = dataclasses.replace(kit.catalogue.actions[name], **changes)


def fixed_price(kit, name, usd):
    change(kit, name, cost=lambda _: Cost(4, usd))


def by_the_hour(kit, name, seconds=3600):
    change(kit, name, cost=lambda _: Cost(seconds, None, BASIS))


def write_rates(kit, low=1.0, expected=2.0, high=3.0):
    kit.state.mkdir(exist_ok=True)
    per_hour = {"low": low, "expected": expected, "high": high}
    rates = {BASIS: {"usd_per_hour": per_hour, "source": "a test", "seen": "2026-02-28"}}
    (kit.state / "rates.json").write_text(json.dumps(rates), encoding="utf-8")


def of_type(kit, type_):
    return [event.data for event in kit.events() if event.type == type_]


class Clock:
    """A clock that the actions move."""

    def __init__(self):
        self.now = datetime(2026, 3, 1, tzinfo=UTC)
        self.looks = 0

    def __call__(self):
        self.looks += 1
        return self.now

    def passing(self, seconds, kit, made):
        def work(_context):
            self.now += timedelta(seconds=seconds)
            kit.tea.make(made)

        return work


def test_money_is_reserved_before_a_paid_step_starts_and_settled_when_it_ended(kit):
    fixed_price(kit, "brew", 3.0)
    events = kit.run(max_cost=3.0)
    types = [(event.type, event.subject) for event in events]
    reserved = types.index(("money.reserved", "brew"))
    assert reserved < types.index(("step.started", "brew"))
    assert types.index(("step.verified", "brew")) < types.index(("money.settled", "brew"))
    assert [data["usd"] for data in of_type(kit, "money.reserved")] == [3.0]
    assert [data["usd"] for data in of_type(kit, "money.settled")] == [3.0]


def test_free_steps_reserve_nothing(kit):
    kit.run()
    assert of_type(kit, "money.reserved") == []


def test_a_repeated_paid_step_stops_before_overspending_and_says_the_price_of_the_rest(kit):
    fixed_price(kit, "boil", 2.0)
    fixed_price(kit, "brew", 1.0)
    change(kit, "make_fire", when=lambda _: False)

    def no_answer(_context):
        raise Transient("no answer")

    kit.tea.fail("boil", no_answer)
    with pytest.raises(
        NotApproved, match=r"more than max_cost=4.5 leaves; \$2.00 are spent"
    ) as end:
        kit.run(max_cost=4.5)
    assert (end.value.exit_code, end.value.fix) == (5, "max_cost=5.00 or more")
    assert kit.tea.calls.count("boil") == 1
    assert sum(data["usd"] for data in of_type(kit, "money.settled")) == 2.0


def test_a_step_that_may_cost_more_than_is_left_is_not_started_and_the_rest_is_priced(kit):
    kit.tea.make("water", "leaves")
    write_rates(kit, low=1.0, expected=1.0, high=1.0)
    by_the_hour(kit, "boil", seconds=3600)
    change(kit, "make_fire", when=lambda _: False)
    # expected $1.00, but nothing was measured yet: it may be three times that
    with pytest.raises(NotApproved, match=r"boil may cost \$3.00: .* rest costs \$0.33 to \$3.00"):
        kit.run(max_cost=2.0)
    assert kit.tea.calls == []
    kit.run(max_cost=3.0)


def test_without_a_rate_the_price_is_unknown_and_a_cap_cannot_be_kept(kit, call):
    by_the_hour(kit, "brew")
    plan = data_of(call("plan", "goal=served", "--json"))
    assert plan["usd"] is None
    assert plan["estimate"]["usd"] is None
    assert "price unknown" in call("plan", "goal=served").out
    with pytest.raises(NotApproved, match="the price of brew is unknown, so max_cost=9"):
        kit.run(max_cost=9.0)
    assert "brew" not in kit.tea.calls


def test_an_unknown_price_waits_for_consent_like_a_known_one_and_a_plan_says_so_before(kit, call):
    by_the_hour(kit, "brew")
    asks = "waits for a person before brew"
    assert asks in call("plan", "goal=served").out
    assert data_of(call("plan", "goal=served", "--json"))["approval"] == ["brew"]
    with_a_cap = call("plan", "goal=served", "max_cost=9")
    assert asks not in with_a_cap.out
    error = json.loads(call("run", "goal=served", "--json", code=5).out)["error"]
    assert error["message"] == "the price of brew is unknown, and nobody agreed to pay it"
    assert "rates.json" in error["fix"]
    assert "python -m agents approve last" in error["fix"]
    # what is free before it may tell its price, and is done
    assert kit.tea.calls[-1] == "boil"
    assert "price of the plan is unknown" in call("approve", "last", "max_cost=5", code=2).err
    # so that the plan that was agreed to is another one by now
    assert "whatever it costs" in call("approve", "last").out
    kit.killed_while("brew")
    call("run", "goal=served")
    assert kit.tea.calls[-1] == "brew"
    (used,) = of_type(kit, "approval.used")
    assert (used["actions"], used["max_cost"]) == (["brew"], None)
    # once, and for these values
    (kit.tea.root / "tea").unlink()
    call("run", "goal=served", code=5)
    call("approve", "last")
    call("run", "goal=served", "sugar=1", code=5)
    assert kit.tea.calls.count("brew") == 1


def test_a_price_that_becomes_known_after_consent_was_given_has_a_cap_again(kit, call):
    by_the_hour(kit, "brew")
    call("run", "goal=served", code=5)
    call("approve", "last")
    write_rates(kit)
    assert "no cap was given" in call("run", "goal=served", code=5).err
    call("run", "goal=served", "max_cost=9")


def behind_a_closed_door(kit, **declared):
    """Whether there is tea is seen by who went to the shop; brewing it costs three dollars."""
    fixed_price(kit, "brew", 3.0)
    change(kit, "shop", **declared)
    kit.catalogue.sensors["tea"] = dataclasses.replace(
        kit.catalogue.sensors["tea"], needs=(Condition("leaves", True),)
    )


@pytest.mark.parametrize("words", [(), ("max_cost=1",)])
@pytest.mark.parametrize("only_looks", [True, False])
def test_what_is_done_already_costs_nothing_though_that_is_seen_only_on_the_way(
    kit, call, words, only_looks
):
    behind_a_closed_door(kit, only_looks=only_looks)
    kit.tea.make("tea", "hot")
    ended = data_of(call("run", "goal=served", *words, "--json"))
    assert ended["status"] == ("nothing to do" if only_looks else "done")
    assert (ended["steps"], kit.tea.calls) == (["shop"], ["shop"])
    assert of_type(kit, "money.reserved") == []


@pytest.mark.parametrize(
    ("words", "said"), [((), "costs about $3.00 and no cap"), (("max_cost=1",), "costs $3.00")]
)
def test_what_is_not_done_yet_is_refused_when_that_is_seen_and_what_is_seen_at_once_before_all(
    kit, call, words, said
):
    behind_a_closed_door(kit)
    kit.tea.make("hot")
    assert said in call("run", "goal=served", *words, code=5).err
    assert kit.tea.calls == ["shop"]
    assert said in call("run", "goal=served", *words, code=5).err
    assert kit.tea.calls == ["shop"]


def test_a_rate_times_the_time_is_the_price_and_the_time_it_took_is_what_is_settled(kit, call):
    write_rates(kit)
    by_the_hour(kit, "brew", seconds=1800)
    plan = data_of(call("plan", "goal=served", "--json"))
    assert plan["estimate"]["usd"] == {
        "low": pytest.approx(1 / 6),
        "expected": 1.0,
        "high": pytest.approx(4.5),
    }
    clock = Clock()
    kit.tea.fail("brew", clock.passing(900, kit, "tea"))
    kit.run(max_cost=10.0, clock=clock)
    assert [data["usd"] for data in of_type(kit, "money.settled")] == [pytest.approx(0.5)]
    assert data_of(call("runs", "--json"))[0]["usd"] == pytest.approx(0.5)


def test_what_several_machines_take_at_once_is_paid_for_each_of_them(kit, call):
    write_rates(kit)
    change(kit, "brew", cost=lambda _: Cost(1800, None, BASIS, machines=3))
    plan = data_of(call("plan", "goal=served", "--json"))
    assert plan["estimate"]["usd"]["expected"] == pytest.approx(3.0)
    clock = Clock()

    def brewed(_context):
        clock.now += timedelta(seconds=900)
        kit.tea.make("tea")
        # all three together
        took = Measurement(name="seconds", value=2700, unit="s")
        return Outcome(summary="", measurements=(took,))

    change(kit, "brew", run=brewed)
    kit.run(max_cost=20.0, clock=clock)
    assert [data["usd"] for data in of_type(kit, "money.settled")] == [pytest.approx(1.5)]
    (kit.tea.root / "tea").unlink()
    again = data_of(call("plan", "goal=served", "--json"))
    assert (again["seconds"], again["usd"]) == (900, pytest.approx(1.5))


def outlasting(kit, minutes):
    """Brewing takes its time and can be stopped; somebody looks at the clock each minute."""
    clock = Clock()

    def work(context):
        for _ in range(minutes):
            clock.now += timedelta(minutes=1)
            looks = clock.looks
            while clock.looks < looks + 2 and not context.cancelled.wait(0.01):
                pass
            if context.cancelled.is_set():
                assert context.broke.is_set()
                raise Interrupted("put down")
        kit.tea.make("tea")

    write_rates(kit, low=2.0, expected=2.0, high=3.0)
    by_the_hour(kit, "brew", seconds=120)
    kit.tea.fail("brew", work)
    return clock


def test_a_step_that_outlasts_what_was_reserved_is_stopped_before_the_cap_is_passed(kit):
    clock = outlasting(kit, minutes=60)
    with pytest.raises(NotApproved, match=r"as long as \$0.40 pay for: stopped; .* costs") as end:
        kit.run(max_cost=0.4, clock=clock)
    assert end.value.exit_code == 5
    (failed,) = of_type(kit, "step.failed")
    assert failed["name"] == "money_used_up"
    # first three times what was declared, then more of what is left, never more than that
    reserved = [data["usd"] for data in of_type(kit, "money.reserved")]
    assert reserved == sorted(reserved)
    assert reserved[0] == pytest.approx(0.3)
    assert 0.3 < reserved[-1] <= 0.4
    (settled,) = of_type(kit, "money.settled")
    assert 0.3 < settled["usd"] * 3 / 2 <= 0.4 + 1e-9


def test_a_step_that_outlasts_its_reservation_takes_more_of_what_is_left(kit):
    clock = outlasting(kit, minutes=7)
    kit.run(max_cost=9.0, clock=clock)
    assert len(of_type(kit, "money.reserved")) >= 2
    assert (kit.tea.root / "tea").exists()


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"oven": {"usd_per_hour": 2}}']
    + [
        json.dumps({"oven": {"usd_per_hour": hour, "source": "s", "seen": "today"}})
        for hour in (
            {"low": 3, "expected": 2, "high": 4},
            {"low": -1, "expected": 2, "high": 4},
            {"low": 1, "expected": 2},
        )
    ],
)
def test_rates_that_make_no_sense_are_refused(tmp_path, text):
    (tmp_path / "rates.json").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"rates\.json"):
        read_rates(tmp_path)


def test_a_killed_run_that_may_have_paid_counts_against_the_cap_of_the_run_that_continues(kit):
    fixed_price(kit, "brew", 3.0)
    kit.killed_while("brew", max_cost=5.0)
    with pytest.raises(NotApproved):
        kit.run(max_cost=5.0)
    assert "brew" not in kit.tea.calls
    kit.run(max_cost=6.0)


def test_a_step_that_is_paid_by_time_and_goes_on_is_not_reserved_twice(kit):
    write_rates(kit)
    by_the_hour(kit, "brew", seconds=1800)
    clock = Clock()
    kit.killed_while("brew", max_cost=5.0, clock=clock)
    clock.now += timedelta(seconds=3600)
    kit.run(max_cost=5.0, clock=clock)
    # it is settled from when it began, in the run that was killed
    assert [data["usd"] for data in of_type(kit, "money.settled")] == [pytest.approx(2.0)]


def test_estimates_learn_from_what_was_measured_and_their_error_is_shown(kit, call):
    before = data_of(call("plan", "goal=served", "--json"))["estimate"]
    assert before["measured_steps"] == 0
    assert before["error"] is None
    assert before["seconds"]["low"] < before["seconds"]["expected"] < before["seconds"]["high"]
    kit.run()
    (kit.tea.root / "tea").unlink()
    after = data_of(call("plan", "goal=served", "--json"))
    assert after["estimate"]["measured_steps"] == 1
    # brewing was declared with 4 s and takes none
    assert after["seconds"] < 4
    assert after["estimate"]["error"] > 0
    assert "1 of 1 steps were measured before" in call("plan", "goal=served").out
    assert "expected 14 s, off by +" in call("show", "last").out


def test_a_step_that_only_finished_what_others_began_is_estimated_with_all_of_their_time(kit, call):
    def resumed(_context):
        kit.tea.make("tea")
        return Outcome(summary="", measurements=(Measurement(name="seconds", value=40, unit="s"),))

    change(kit, "brew", run=resumed)
    kit.run()
    (kit.tea.root / "tea").unlink()
    assert data_of(call("plan", "goal=served", "--json"))["seconds"] == 40


def test_what_was_measured_on_one_basis_says_nothing_about_another(kit, call):
    kit.run()
    (kit.tea.root / "tea").unlink()
    change(kit, "brew", cost=lambda _: Cost(4, 0.0, "elsewhere"))
    plan = data_of(call("plan", "goal=served", "--json"))
    assert (plan["seconds"], plan["estimate"]["measured_steps"]) == (4, 0)


def test_an_action_that_needs_approval_waits_for_a_person(kit, call):
    change(kit, "brew", approval=True)
    refused = call("run", "goal=served", "--json", code=5)
    error = json.loads(refused.out)["error"]
    assert "a person must approve brew" in error["message"]
    assert "python -m agents approve" in error["fix"]
    assert kit.tea.calls == []
    approved = data_of(call("approve", "last", "--json"))
    assert approved["max_cost"] == 0
    call("run", "goal=served")
    assert kit.tea.calls[-1] == "brew"
    assert len(of_type(kit, "approval.used")) == 1


def test_an_approval_is_for_one_plan_once_and_up_to_its_cap(kit, call):
    change(kit, "brew", approval=True)
    fixed_price(kit, "brew", 2.0)
    call("run", "goal=served", "max_cost=3", code=5)
    call("approve", "last")
    # more money than was approved
    assert "at most $3.00, not for $9.00" in call("run", "goal=served", "max_cost=9", code=5).err
    # another plan than was approved
    kit.tea.make("leaves")
    call("run", "goal=served", "max_cost=3", code=5)
    (kit.tea.root / "leaves").unlink()
    call("run", "goal=served", "max_cost=3")
    # the same plan again: the approval is used up
    for name in ("tea", "hot", "water", "leaves"):
        (kit.tea.root / name).unlink()
    kit.catalogue.rates = lambda _: {}
    call("run", "goal=served", "max_cost=3", code=5)
    assert kit.tea.calls.count("brew") == 1


def test_an_approval_outlives_a_kill_but_not_the_step_it_was_for(kit, call):
    change(kit, "brew", approval=True)
    call("run", "goal=served", "max_cost=3", code=5)
    call("approve", "last")
    kit.killed_while("boil", max_cost=3.0)
    # the plan is another one by now, and nobody is asked again
    kit.tea.make("hot")
    kit.killed_while("brew", max_cost=3.0)
    call("run", "goal=served", "max_cost=3")
    assert len(of_type(kit, "approval.used")) == 1
    (kit.tea.root / "tea").unlink()
    assert "must approve brew" in call("run", "goal=served", "max_cost=3", code=5).err


def test_an_approval_is_the_cap_where_none_was_given(kit, call):
    change(kit, "brew", approval=True)
    fixed_price(kit, "brew", 2.0)
    call("run", "goal=served", code=5)
    call("approve", "last", "max_cost=1")
    assert "may cost $2.00" in call("run", "goal=served", code=5).err
    call("run", "goal=served", code=5)
    assert data_of(call("approve", "last", "--json"))["max_cost"] == 2.0
    call("run", "goal=served")


def test_only_a_run_that_asks_can_be_approved(kit, call):
    assert "no runs yet" in call("approve", code=2).err
    call("run", "goal=served")
    assert "asks for no approval" in call("approve", "last", code=2).err
    assert "approve takes" in call("approve", "last", "sugar=1", code=2).err
