"""Money is found again by what it was spent on, approvals by all the values they were given for."""

import dataclasses
import json
import shlex
from datetime import UTC, datetime, timedelta

import pytest

from agents.cli.main import invoke
from agents.declare.actions import Cost, Goal
from agents.declare.facts import facts
from agents.declare.outcome import Measurement, Outcome
from agents.declare.parameters import Parameters, how, what
from agents.errors import LedgerDamaged, NotApproved
from agents.ledger.events import new_event
from agents.ledger.payloads import MoneyReserved, RunStarted
from agents.ledger.projections.accounts import accounts_of
from agents.ledger.store import Ledger


class Order(Parameters):
    target: str = what("scratch", description="who gets it")
    sugar: int = what(0, ge=0, description="spoons")
    burners: int = how(1, ge=1, description="burners to use")


class Clock:
    """A clock that the test moves."""

    def __init__(self):
        self.now = datetime(2026, 3, 1, tzinfo=UTC)

    def __call__(self):
        return self.now


def change(shop, name, **changes):
    shop.catalogue.actions[name] = dataclasses.replace(shop.catalogue.actions[name], **changes)


def fixed_price(shop, name, usd):
    change(shop, name, cost=lambda _: Cost(4, usd))


def two_dollars_an_hour(shop, name, seconds):
    change(shop, name, cost=lambda _: Cost(seconds, None, "oven"))
    shop.state.mkdir(exist_ok=True)
    per_hour = {"low": 1.0, "expected": 2.0, "high": 3.0}
    rates = {"oven": {"usd_per_hour": per_hour, "source": "a test", "seen": "2026-02-28"}}
    (shop.state / "rates.json").write_text(json.dumps(rates), encoding="utf-8")


def of_type(shop, type_):
    return [event.data for event in shop.events() if event.type == type_]


@pytest.fixture
def shop(kit):
    """The kitchen, whose two goals take an order; each guest has an account."""
    world = kit.catalogue.facts.world
    handles = facts(world)
    kit.catalogue.goals["served"] = dataclasses.replace(
        kit.catalogue.goals["served"], parameters=Order
    )
    kit.catalogue.goals["warm"] = Goal(
        "warm", "Tea and hot water", lambda _: (handles.tea, handles.hot), Order
    )
    change(kit, "brew", account=lambda context: f"guest {context.params.target}")
    return kit


@pytest.fixture
def call(shop, capsys):
    def call(*words, code=0):
        assert invoke(lambda: shop.catalogue, [*words, f"state={shop.state}"]) == code
        return capsys.readouterr()

    return call


def again(shop, *names):
    """The world as it was: what was made is gone."""
    for name in names or ("tea", "hot", "water", "leaves"):
        (shop.tea.root / name).unlink(missing_ok=True)


def plan(call, *words, code=0):
    return json.loads(call("plan", *words, "--json", code=code).out)["data"]


@pytest.mark.parametrize("other", ["target=production", "sugar=3", "burners=2"])
def test_what_was_approved_for_one_set_of_values_lets_no_other_run(shop, call, other):
    change(shop, "brew", approval=True)
    call("run", "goal=served", code=5)
    call("approve", "last")
    refused = call("run", "goal=served", other, "--json", code=5)
    assert json.loads(refused.out)["error"]["code"] == "not_approved"
    assert shop.tea.calls == []
    # the values that were seen, also written out and in another order
    call("run", "burners=01", "goal=served", "target=scratch")
    assert shop.tea.calls[-1] == "brew"


@pytest.mark.parametrize("other", ["target=production", "sugar=3", "burners=2"])
def test_the_digest_of_a_plan_that_was_seen_for_other_values_is_refused(shop, call, other):
    seen = plan(call, "goal=served")["digest"]
    for digest in (seen, seen[:8]):
        refused = call("run", "goal=served", other, f"plan_digest={digest}", "--json", code=6)
        assert json.loads(refused.out)["error"]["code"] == "stale_plan"
    assert shop.tea.calls == []
    call("run", "goal=served", f"plan_digest={seen}")


@pytest.mark.parametrize("words", [("sugar=3",), ("target=my shop", "burners=2")])
def test_what_a_refusal_says_to_look_at_is_the_plan_that_runs_next(shop, call, words):
    seen = plan(call, "goal=served")["digest"]
    refused = call("run", "goal=served", *words, f"plan_digest={seen}", "--json", code=6)
    fix = shlex.split(json.loads(refused.out)["error"]["fix"])
    shown = plan(call, *fix[fix.index("plan") + 1 :])["digest"]
    call("run", "goal=served", *words, f"plan_digest={shown}")
    assert shop.tea.calls != []


@pytest.mark.parametrize("digest", ["", "a", "0123456", "not-a-digest", "A" * 64, "0" * 65])
@pytest.mark.parametrize("command", ["run", "plan"])
def test_what_does_not_say_which_plan_was_seen_is_refused(shop, call, command, digest):
    refused = call(command, "goal=served", f"plan_digest={digest}", "--json", code=2)
    assert "plan_digest=" in json.loads(refused.out)["error"]["message"]
    assert shop.tea.calls == []


def test_the_cap_is_of_the_call_and_no_part_of_what_was_seen(shop, call):
    fixed_price(shop, "brew", 2.0)
    digests = {plan(call, "goal=served", *cap)["digest"] for cap in ((), ("max_cost=3",))}
    assert len(digests) == 1
    call("run", "goal=served", "max_cost=3", f"plan_digest={digests.pop()}")
    begun = [event.payload for event in shop.events() if event.type == RunStarted.kind]
    assert [run.max_cost for run in begun] == [3.0]
    assert "max_cost" not in {**begun[0].what, **begun[0].how, **begun[0].given}


@pytest.mark.parametrize("words", [(), ("sugar=1",), ("burners=2",), ("goal=warm",)])
def test_what_an_ended_run_spent_on_a_thing_counts_for_whoever_does_something_for_it(
    shop, call, words
):
    fixed_price(shop, "brew", 3.0)
    call("run", "goal=served", "max_cost=3")
    again(shop)
    goal = () if any(word.startswith("goal=") for word in words) else ("goal=served",)
    refused = call("run", *goal, *words, "max_cost=5", code=5)
    assert "$3.00 are spent" in refused.err
    assert plan(call, *goal, *words, "max_cost=5", code=5)["status"] == "over_budget"
    call("run", *goal, *words, "max_cost=6")
    assert sum(data["usd"] for data in of_type(shop, "money.settled")) == 6.0


def test_another_thing_has_an_account_of_its_own(shop, call):
    fixed_price(shop, "brew", 3.0)
    call("run", "goal=served", "max_cost=3")
    again(shop)
    call("run", "goal=served", "target=production", "max_cost=3")
    accounts = [data["account"] for data in of_type(shop, "money.settled")]
    assert accounts == ["guest scratch", "guest production"]


def test_without_an_account_only_who_goes_on_with_a_run_counts_what_it_spent(shop, call):
    change(shop, "brew", account=None)
    fixed_price(shop, "brew", 3.0)
    shop.killed_while("brew", max_cost=3.0)
    # the same thing in another way goes on with it
    assert plan(call, "goal=served", "burners=2", "max_cost=5", code=5)["status"] == "over_budget"
    # another thing does not
    assert plan(call, "goal=served", "sugar=2", "max_cost=5")["status"] == "optimal"
    call("run", "goal=served", "burners=2", "max_cost=6")
    again(shop)
    # nor who begins anew after a run that ended by itself
    call("run", "goal=served", "max_cost=3")


def test_a_follower_has_the_cap_of_its_own_call(shop, call):
    fixed_price(shop, "brew", 1.0)
    shop.killed_while("brew", max_cost=100.0)
    for cap, code in ((1.5, 5), (2.0, 0)):
        call("run", "goal=served", f"max_cost={cap}", code=code)


def test_what_was_killed_twice_is_counted_twice(shop, call):
    fixed_price(shop, "brew", 1.0)
    shop.killed_while("brew", max_cost=9.0)
    shop.killed_while("brew", Order(burners=2), max_cost=9.0)
    call("run", "goal=served", "max_cost=2.5", code=5)
    call("run", "goal=served", "max_cost=3")


def test_what_is_paid_by_time_goes_on_under_the_name_of_another_action(shop):
    """The run that was killed brewed; another one does the same by other means, without a gap."""
    two_dollars_an_hour(shop, "brew", seconds=1800)
    clock = Clock()
    shop.killed_while("brew", max_cost=9.0, clock=clock)
    brew = shop.catalogue.actions["brew"]
    shop.catalogue.actions["steep"] = dataclasses.replace(brew, name="steep")
    change(shop, "brew", when=lambda _: False)
    clock.now += timedelta(hours=1)
    with Ledger(shop.state / "ledger.db") as ledger:
        shop.pursuit(ledger, max_cost=9.0, clock=clock).run()
    reserved = of_type(shop, "money.reserved")
    assert [data["action"] for data in reserved] == ["brew", "steep"]
    assert len({data["since"] for data in reserved}) == 1
    assert [data["usd"] for data in of_type(shop, "money.settled")] == [pytest.approx(2.0)]


def test_what_was_reserved_for_a_step_that_was_done_while_nobody_looked_is_settled(shop, call):
    two_dollars_an_hour(shop, "brew", seconds=1800)
    clock = Clock()
    shop.killed_while("brew", max_cost=9.0, clock=clock)
    clock.now += timedelta(hours=10)
    # it took a quarter of an hour, and ended nine hours ago
    took = Outcome(summary="", measurements=(Measurement(name="seconds", value=900, unit="s"),))
    change(shop, "brew", recall=lambda _: took)
    shop.tea.make("tea")
    with Ledger(shop.state / "ledger.db") as ledger:
        done = shop.pursuit(ledger, Order(burners=4), clock=clock).run()
    assert done.steps == ("brew",)
    (settled,) = of_type(shop, "money.settled")
    assert (settled["account"], settled["usd"]) == ("guest scratch", pytest.approx(0.5))
    assert (settled["by_time"], settled["rate"]) == (True, "")
    again(shop)
    # nothing is open any more: what is left of the cap is all but that
    assert plan(call, "goal=served", "max_cost=1.6")["status"] == "optimal"
    assert plan(call, "goal=served", "max_cost=1.4", code=5)["status"] == "over_budget"


@pytest.mark.parametrize("words", [("burners=3",), ("target=scratch",), ("sugar=0", "burners=2")])
def test_a_step_that_was_left_unfinished_is_found_again_however_it_is_gone_on_with(
    shop, call, words
):
    shop.killed_while("brew")
    change(shop, "brew", recall=lambda _: Outcome(summary="brewed by itself"))
    shop.tea.make("tea")
    found = json.loads(call("run", "goal=served", *words, "--json").out)["data"]
    assert (found["status"], found["steps"]) == ("done", ["brew"])


@pytest.mark.parametrize("words", [("sugar=1",), ("target=production",), ("goal=warm",)])
def test_a_step_of_another_thing_is_not_taken_for_it(shop, call, words):
    shop.killed_while("brew")
    change(shop, "brew", recall=lambda _: Outcome(summary="brewed by itself"))
    shop.tea.make("tea", "hot")
    goal = () if any(word.startswith("goal=") for word in words) else ("goal=served",)
    found = json.loads(call("run", *goal, *words, "--json").out)["data"]
    assert (found["status"], found["steps"]) == ("nothing to do", [])


def test_an_account_that_cannot_be_told_yet_stops_nobody(shop, call):
    def not_yet(context):
        if not (shop.tea.root / "hot").exists():
            raise NotApproved("who it is for is known when the water is hot")
        return "guest known"

    fixed_price(shop, "brew", 2.0)
    change(shop, "brew", account=not_yet)
    call("run", "goal=served", "max_cost=2")
    assert [data["account"] for data in of_type(shop, "money.reserved")] == ["guest known"]
    again(shop)
    # what is on it counts as soon as it is told, before anything is paid
    assert "$2.00 of $3.00 is spent" in call("run", "goal=served", "max_cost=3", code=5).err
    assert shop.tea.calls.count("brew") == 1


@pytest.mark.parametrize("since", ["z", "2026-11-25", "2026-11-25T03:41:30"])
def test_money_that_was_set_aside_since_no_moment_is_damage(since):
    reserved = MoneyReserved(step="brew", action="brew", account="tea", usd=1.0, since=since)
    with pytest.raises(LedgerDamaged, match="is no moment"):
        accounts_of([new_event(reserved)])
