"""Events, failures and kills in any order, against a model that fits on a page."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

KILLED = -9
FAULTS = ("permanent", "interrupted", "unknown")
EACH = ("knead", "heat", "bake", "deliver")
RUN = ("run", "goal=served", "max_cost=999")
WATCH = ("watch", "--once", "goal=served", "max_cost=999")


class BakeryModel(RuleBasedStateMachine):
    """What must hold of a bakery whatever happened to it.

    The model knows four things: the orders that were placed, whether bread is at the door, which
    steps will fail at their next attempt, and the events that were ever seen.
    """

    make = None  # set by the test: makes a new bakery

    @initialize()
    def open_the_bakery(self):
        self.bakery = type(self).make()
        self.orders = set()
        self.delivered = False
        self.faults = {}
        self.log = []
        assert self.bakery.run("emit", "type=shop.opened", "id=0") == 0

    @rule(number=st.integers(0, 3))
    def an_order_is_placed(self, number):
        assert self.bakery.run("emit", "type=order.placed", f"id=order-{number}") == 0
        self.orders.add(f"order-{number}")

    @rule(number=st.integers(0, 3), place=st.integers(1, 5))
    def an_order_is_placed_by_a_process_that_is_killed(self, number, place):
        code = self.bakery.run("emit", "type=order.placed", f"id=order-{number}", kill=f"*:{place}")
        assert code in (0, KILLED)
        if code == 0 or f"order-{number}" in self.stored_orders():
            self.orders.add(f"order-{number}")

    @rule(step=st.sampled_from(EACH), kind=st.sampled_from(FAULTS))
    def a_step_will_fail(self, step, kind):
        folder = self.bakery.root / "faults"
        folder.mkdir(exist_ok=True)
        (folder / step).write_text(kind, encoding="utf-8")
        self.faults[step] = kind

    @rule()
    def the_bread_is_taken(self):
        """The world changes by itself: everything has to be done again, once."""
        for name in ("delivered", "effects"):
            (self.bakery.root / name).unlink(missing_ok=True)
        oven = self.bakery.root / "oven"
        if oven.exists():
            oven.rmdir()
        self.delivered = False

    @rule()
    def somebody_runs_the_goal(self):
        self.pursued(self.bakery.run(*RUN))

    @rule()
    def a_watcher_handles_what_is_pending(self):
        pending = self.orders - self.handled()
        code = self.bakery.run(*WATCH)
        if pending:
            self.pursued(code)
            # a look that failed is handled as well: the next event prompts the next look
            assert self.orders == self.handled()
        else:
            assert code == 0

    @rule(place=st.integers(1, 80), command=st.sampled_from([RUN, WATCH]))
    def a_process_is_killed(self, place, command):
        code = self.bakery.run(*command, kill=f"*:{place}")
        assert code in (0, 1, KILLED), self.bakery.output()
        self.look_around()

    def pursued(self, code):
        """A pursuit reaches the goal, or names the fault that kept it from it."""
        failing = any(kind != "interrupted" for kind in self.faults.values())
        assert code in ((0, 1) if failing else (0,)), self.bakery.output()
        self.look_around()
        assert self.delivered is (code == 0)

    def look_around(self):
        folder = self.bakery.root / "faults"
        left = {path.name for path in folder.iterdir()} if folder.exists() else set()
        self.faults = {step: kind for step, kind in self.faults.items() if step in left}
        self.delivered = self.bakery.delivered()

    def stored_orders(self):
        return {event.id for event in self.bakery.events("order.placed")}

    def handled(self):
        through = max(
            (event.data["through"] for event in self.bakery.events("trigger.handled")), default=0
        )
        placed = self.bakery.events("order.placed")
        return {event.id for event in placed if event.sequence <= through}

    @invariant()
    def nothing_is_lost_and_nothing_is_done_twice(self):
        assert self.bakery.problems() == []
        log = self.bakery.events()
        assert log[: len(self.log)] == self.log
        self.log = log
        placed = [event.id for event in log if event.type == "order.placed"]
        assert sorted(placed) == sorted(self.orders)
        self.nothing_was_done_twice()
        started = [event.run for event in log if event.type == "run.started"]
        finished = [event.run for event in log if event.type == "run.finished"]
        assert len(finished) == len(set(finished))
        # only the last run can be without an end
        assert set(started) - set(finished) <= set(started[-1:])

    def nothing_was_done_twice(self):
        assert all(times == 1 for times in self.bakery.effects().values())

    def teardown(self):
        for _ in range(len(self.faults) + 1):
            if self.bakery.run(*RUN) == 0:
                break
        assert self.bakery.delivered(), self.bakery.output()
        self.nothing_was_done_twice()


def check(make, examples, steps):
    model = type("Model", (BakeryModel,), {"make": staticmethod(make)})
    run_state_machine_as_test(
        model,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink),
        ),
    )


def test_the_bakery_does_as_its_model_says(new_bakery):
    check(new_bakery, examples=6, steps=10)


@pytest.mark.slow
def test_the_bakery_does_as_its_model_says_for_a_long_time(new_bakery):
    check(new_bakery, examples=60, steps=20)
