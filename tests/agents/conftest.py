"""A small real world for the engine: facts are files in a directory, actions write them."""

import dataclasses
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from agents.declare.actions import Action, Context, Goal, Sensor, action, sensor
from agents.declare.catalogue import Catalogue
from agents.declare.facts import Fact, Reading, facts
from agents.declare.outcome import Outcome
from agents.declare.triggers import on
from agents.ledger.events import Event, new_event
from agents.ledger.payloads import Foreign
from agents.ledger.payloads.base import Payload
from agents.ledger.store import Ledger
from agents.run.identity import close_lost_runs
from agents.run.pursuit import Pursuit
from agents.run.question import Question
from agents.watching.watch import Pursued, Watch


class Kitchen(BaseModel):
    water: bool = Field(description="the kettle holds water")
    leaves: bool = Field(description="there are tea leaves")
    hot: bool = Field(description="the water is hot")
    tea: bool = Field(description="tea is served")
    power: bool = Field(description="there is electricity")


class TeaParameters(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    sugar: int = Field(0, ge=0, description="spoons")


F = facts(Kitchen)


@dataclass
class Tea:
    """The directory that is the world, and what was done to it."""

    root: Path
    calls: list[str] = field(default_factory=list)
    faults: dict[str, list[Callable[[Context], None]]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def make(self, *names: str) -> None:
        for name in names:
            (self.root / name).touch()

    def fail(self, name: str, *faults: Callable[[Context], None]) -> None:
        """The next runs of the action do this instead of their work."""
        self.faults[name] = list(faults)

    def perform(self, name: str, made: str, context: Context) -> Outcome:
        with self.lock:
            self.calls.append(name)
            fault = self.faults[name].pop(0) if self.faults.get(name) else None
        if fault is not None:
            fault(context)
            return Outcome(summary=f"{name} was disturbed")
        self.make(made)
        return Outcome(summary=f"made {made}")


@dataclass
class Kit:
    """A pursuit's ingredients, and a short way to run one."""

    tea: Tea
    catalogue: Catalogue
    state: Path

    def question(self, params: BaseModel | None = None, **options: object) -> Question:
        goal = self.catalogue.goal("served")
        return Question(self.catalogue, goal, params or goal.parameters(), self.state, **options)

    def pursuit(
        self, ledger: Ledger, params: BaseModel | None = None, **options: object
    ) -> Pursuit:
        of_call = ("max_cost", "plan_digest", "wait")
        asked = {key: options.pop(key) for key in of_call if key in options}
        return Pursuit(self.question(params, **asked), ledger, **{"backoff": 0.0, **options})

    def run(self, **options: object) -> list[Event]:
        with Ledger(self.state / "ledger.db") as ledger:
            pursuit = self.pursuit(ledger, **options)
            pursuit.run()
            return ledger.events(run=pursuit.run_id)

    def killed_while(self, name: str, params: BaseModel | None = None, **options: object) -> None:
        """A run whose process dies while it does a step."""

        class Killed(BaseException):
            pass

        with Ledger(self.state / "ledger.db") as ledger:
            pursuit = self.pursuit(ledger, params, **options)
            record = pursuit._record

            def until(subject: str, payload: Payload) -> Event:
                event = record(subject, payload)
                if (event.type, subject) == ("step.started", name):
                    raise Killed
                return event

            pursuit._record = until
            with pytest.raises(Killed):
                pursuit.run()
            for held in list(pursuit._touching._steps):
                pursuit._touching.give(held)  # a process that died holds nothing
            close_lost_runs(ledger, pursuit.clock)

    def events(self) -> list[Event]:
        with Ledger(self.state / "ledger.db", readonly=True) as ledger:
            return ledger.events()


def seen(tea: Tea, fact: Fact) -> Sensor:
    @sensor(fact, timeout=60)
    def look(context: Context) -> Reading:
        path = tea.root / fact.name
        return Reading(path.exists(), f"{path.name} {'exists' if path.exists() else 'missing'}")

    return look


def step(tea: Tea, name: str, made: Fact, **declared: object) -> Action:
    def perform(context: Context) -> Outcome:
        """Make it."""
        return tea.perform(name, made.name, context)

    perform.__name__ = name
    return action(effect=made, **declared)(perform)


@pytest.fixture
def tea(tmp_path: Path) -> Tea:
    root = tmp_path / "kitchen"
    root.mkdir()
    world = Tea(root)
    world.make("power")
    return world


@pytest.fixture
def kit(tea: Tea, tmp_path: Path) -> Kit:
    catalogue = Catalogue(
        F,
        tuple(seen(tea, fact) for fact in F.values()),
        (
            step(tea, "fill", F.water, seconds=2),
            step(tea, "shop", F.leaves, seconds=3),
            step(tea, "boil", F.hot, needs=(F.water, F.power), seconds=5, timeout=60),
            step(tea, "make_fire", F.hot, needs=F.water, seconds=50),
            step(tea, "brew", F.tea, needs=(F.hot, F.leaves), seconds=4),
        ),
        (Goal("served", "Tea is served", lambda _: F.tea, TeaParameters),),
    )
    return Kit(tea, catalogue, tmp_path / "state")


@pytest.fixture
def watched(kit):
    """The kitchen, with triggers beside its goal."""
    goal = kit.catalogue.goals["served"]
    triggers = (on("guest.arrived"), on("webhook.received", where={"name": "tea"}))
    kit.catalogue.goals["served"] = dataclasses.replace(goal, triggers=triggers)
    return kit


class Clockwork:
    """A watch over a ledger whose time and pursuits the test decides."""

    def __init__(self, kit):
        self.now = datetime(2026, 3, 1, tzinfo=UTC)
        self.looks = []
        self.endings = []
        self.ledger = Ledger(kit.state / "ledger.db", patience=0)
        self.goals = list(kit.catalogue.goals.values())
        self.start()

    def start(self):
        self.watch = Watch(self.goals, self.ledger, (), self.pursue, clock=lambda: self.now)

    def pursue(self, goal):
        self.looks.append(goal.name)
        ending = self.endings.pop(0) if self.endings else Pursued(goal.name, 0, "done")
        if isinstance(ending, Exception):
            raise ending
        return ending

    def emit(self, type_="guest.arrived"):
        self.ledger.append(new_event(Foreign(of_type=type_), clock=lambda: self.now))

    def after(self, seconds):
        self.now += timedelta(seconds=seconds)
        return len(self.watch.tick())


@pytest.fixture
def clockwork(watched):
    found = Clockwork(watched)
    yield found
    found.ledger.close()
