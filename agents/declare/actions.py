"""Actions, sensors and goals: the declarations that a catalogue is made of.

```
@action(needs=[F.dough_ready, F.oven_hot], effect=[F.bread_baked], seconds=1800)
def bake(context: Context) -> Outcome:
    \"\"\"Bake until the crust is brown.\"\"\"

@sensor(F.free_gb)
def free_gb(context: Context) -> Reading: ...
```

``needs`` and ``effect`` may be functions of the goal's parameters, so that one action serves
several goals. Cost is paid in seconds and dollars, and may depend on the parameters too. Who reads
parameters names their type, ``parameters=TeaParameters``: then the action is offered, and the
sensor asked, only for goals whose parameters are of that type.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from pydantic import BaseModel

from agents.declare.amounts import Cost, Meter, Range
from agents.declare.context import Context, P, Progress
from agents.declare.facts import Condition, Fact, Reading, conditions
from agents.declare.outcome import Outcome
from agents.declare.parameters import NoParameters
from agents.declare.touches import Touches, touched_by
from agents.declare.triggers import Trigger
from agents.errors import UsageError
from agents.planning import SECONDS_PER_USD

__all__ = [
    "OBSERVE",
    "Action",
    "Context",
    "Cost",
    "Estimate",
    "Goal",
    "Grounded",
    "Meter",
    "NoParameters",
    "Progress",
    "Range",
    "Sensor",
    "Unfolded",
    "action",
    "sensor",
]

OBSERVE = "observe_"
"""What the names of observation steps begin with."""

OBSERVE_SECONDS = 0.5

Given: TypeAlias = Fact | Condition | Iterable[Fact | Condition]
ByParameters: TypeAlias = Callable[[Any], Given]


@dataclass(frozen=True)
class Estimate:
    """What is expected of an action, from rates and history.

    Attributes:
        usd: None where nobody knows a price.
        per_second: The rate, where the price depends on the time.
        rate: Where that rate was read, and when.
        declared: The duration it was declared with.
        measured: How many measured durations went into it.
        missed: By how many seconds earlier estimates were off, all together.
        took: How many seconds that was measured on.
    """

    seconds: Range
    usd: Range | None
    per_second: Range | None = None
    declared: float = 0.0
    measured: int = 0
    missed: float = 0.0
    took: float = 0.0
    rate: str = ""


@dataclass(frozen=True)
class Grounded:
    """An action for one set of parameters, in the form the planner reads.

    An action that is not ``priced`` costs money, nobody knows how much; it is planned with 0.
    """

    name: str
    needs: tuple[Condition, ...]
    effect: tuple[Condition, ...]
    seconds: float
    usd: float
    resources: Mapping[str, int]
    priced: bool = True
    basis: str = ""
    estimate: Estimate | None = None
    rate: str = ""
    machines: int = 1

    @property
    def price(self) -> float | None:
        """Dollars; None where nobody knows."""
        return self.usd if self.priced else None

    @property
    def cost(self) -> float:
        """Seconds plus dollars, one dollar weighing ``SECONDS_PER_USD`` seconds."""
        return self.seconds + SECONDS_PER_USD * self.usd


@dataclass(frozen=True)
class Action:
    """A typed step: what it requires, what it makes true, what it costs, how to do it.

    Attributes:
        parameters: The type of the parameters it is for.
        account: The name of what its costs are booked on; empty while that is not known.
        meter: What was used on that account, as the thing itself measured it; None: not known.
        only_looks: Whether it changes nothing but what is known.
        touches: Names of what it reads or changes while it runs; None: that may be everything.
    """

    name: str
    summary: str
    run: Callable[[Context[Any]], Outcome]
    needs: ByParameters
    effect: ByParameters
    cost: Callable[[Any], Cost]
    resources: Mapping[str, int]
    timeout: float | None
    approval: bool
    recovery: bool
    attempts: int
    when: Callable[[Any], bool]
    recall: Callable[[Context[Any]], Outcome | None] | None = None
    parameters: type[BaseModel] = BaseModel
    account: Callable[[Context[Any]], str] | None = None
    meter: Callable[[Context[Any]], Meter | None] | None = None
    only_looks: bool = False
    touches: Touches | None = None

    def offered(self, params: object) -> bool:
        """Whether there is such an action for these parameters at all."""
        return isinstance(params, self.parameters) and self.when(params)

    def ground(self, params: object) -> Grounded:
        """This action for these parameters."""
        cost = self.cost(params)
        return Grounded(
            self.name,
            conditions(self.needs(params)),
            conditions(self.effect(params)),
            cost.seconds,
            cost.usd or 0.0,
            self.resources,
            cost.usd is not None,
            cost.basis,
            rate=cost.rate,
            machines=cost.machines,
        )


@dataclass(frozen=True)
class Sensor:
    """How one fact is read.

    Attributes:
        needs: Conditions without which the fact cannot be seen; it is unknown until they hold.
        timeout: Seconds after which the fact counts as unknown.
        hope: The value looking is expected to show; None: looking is never planned.
        parameters: The type of the parameters it can look with.
    """

    fact: str
    look: Callable[[Context[Any]], Reading]
    needs: tuple[Condition, ...]
    timeout: float
    hope: object | None = None
    parameters: type[BaseModel] = BaseModel

    def observation(self) -> "Grounded":
        """Looking, as a step that can be planned: it is hoped to show ``hope``."""
        effect = (Condition(self.fact, self.hope),)
        return Grounded(f"{OBSERVE}{self.fact}", self.needs, effect, OBSERVE_SECONDS, 0.0, {})


class Unfolded(NamedTuple):
    """What a goal has for its parameters only: nobody can name it before they are said.

    Facts are a name and what it says; each is true or false.
    """

    facts: Mapping[str, str]
    sensors: tuple[Sensor, ...]
    actions: tuple[Action, ...]


@dataclass(frozen=True)
class Goal:
    """Facts that should hold, the typed parameters a user may set, and what prompts a look.

    ``capacity``: units of each resource for these parameters; 1 where one is not named.
    ``unfolds``: facts, sensors and actions that there are for these parameters only.
    """

    name: str
    summary: str
    wants: ByParameters
    parameters: type[BaseModel] = NoParameters
    triggers: tuple[Trigger, ...] = ()
    capacity: Callable[[Any], Mapping[str, int]] = lambda _: {}
    unfolds: Callable[[Any], Unfolded] | None = None

    def conditions(self, params: object) -> tuple[Condition, ...]:
        """The conditions that should hold for these parameters."""
        return conditions(self.wants(params))


def action(  # noqa: PLR0913 - a declaration names everything once
    *,
    effect: Given | Callable[[P], Given],
    needs: Given | Callable[[P], Given] = (),
    parameters: type[P] | None = None,
    seconds: float = 1.0,
    usd: float = 0.0,
    cost: Callable[[P], Cost] | None = None,
    resources: Mapping[str, int] | None = None,
    timeout: float | None = None,
    approval: bool = False,
    recovery: bool = False,
    attempts: int = 3,
    when: Callable[[P], bool] = lambda _: True,
    recall: Callable[[Context[P]], Outcome | None] | None = None,
    account: Callable[[Context[P]], str] | None = None,
    meter: Callable[[Context[P]], Meter | None] | None = None,
    only_looks: bool = False,
    touches: Iterable[str] | Touches | None = None,
) -> Callable[[Callable[[Context[P]], Outcome]], Action]:
    """Declare the function below as an action; its docstring's first line is the summary.

    Args:
        effect: What the action makes true; verified by observing when it has run.
        needs: What must hold before.
        parameters: The type of the parameters it is for; without it, it is for every goal.
        seconds: Expected duration; ``cost`` instead when it depends on the parameters.
        usd: Expected dollars.
        cost: Expected cost as a function of the parameters.
        resources: What it occupies while it runs, such as ``{"oven": 1}``.
        timeout: Seconds after which it is cancelled and counts as a transient failure.
        approval: Whether a person must approve the plan first.
        recovery: Whether it exists to repair a failure.
        attempts: How often it may fail for a passing reason before the run gives up on it.
        when: Whether the action is offered for these parameters at all.
        recall: Tells the outcome of what was done while nobody looked; None when it was not done.
        account: Names what its costs are booked on, so that whoever does the same thing again
            finds what was spent on it; empty while that is not known. Without it, costs are booked
            on the goal and its *what*.
        meter: Tells what was used on that account so far, where the thing that is paid by time
            measures that itself. Then that is booked, whoever used it, and not the time that
            passes here.
        only_looks: Whether it changes nothing but what is known: a run that did nothing else says
            that there was nothing to do.
        touches: Names of what it reads or changes, ``("records",)``, also as a function. Steps of
            other runs that touch the same wait; without it, those of all other runs do.

    Raises:
        UsageError: The declaration has no effect or no docstring.
    """

    def declare(run: Callable[[Context[P]], Outcome]) -> Action:
        return Action(
            name=_name(run),
            summary=_summary(run),
            run=run,
            needs=_by_parameters(needs),
            effect=_by_parameters(effect),
            cost=cost or (lambda _: Cost(seconds, usd)),
            resources=dict(resources or {}),
            timeout=timeout,
            approval=approval,
            recovery=recovery,
            attempts=attempts,
            when=when,
            recall=recall,
            parameters=parameters or BaseModel,
            account=account,
            meter=meter,
            only_looks=only_looks,
            touches=touched_by(touches),
        )

    return declare


def sensor(
    fact: Fact,
    *,
    needs: Given = (),
    parameters: type[P] | None = None,
    timeout: float = 5.0,
    hope: object | None = None,
) -> Callable[[Callable[[Context[P]], Reading]], Sensor]:
    """Declare the function below as the sensor of ``fact``.

    Args:
        fact: What is seen.
        needs: Without these nothing can be seen, and the fact is unknown.
        parameters: The type of the parameters it looks with; for other goals the fact is unknown.
        timeout: Seconds after which the fact counts as unknown.
        hope: The value that looking will probably show. With it, an unknown fact does not block
            planning: looking becomes a step, and if it shows something else, planning starts anew.
    """

    def declare(look: Callable[[Context[P]], Reading]) -> Sensor:
        return Sensor(fact.name, look, conditions(needs), timeout, hope, parameters or BaseModel)

    return declare


def _by_parameters(declared: Given | Callable[[P], Given]) -> ByParameters:
    if callable(declared) and not isinstance(declared, Fact):
        return declared
    fixed = conditions(declared)
    return lambda _: fixed


def _name(function: Callable[..., object]) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _summary(function: Callable[..., object]) -> str:
    doc = (function.__doc__ or "").strip()
    if not doc:
        raise UsageError(f"the action {_name(function)} needs a docstring: its summary")
    return doc.splitlines()[0]
