"""What the planner answers: never `None`, and never "unreachable" because it ran out of time."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from functools import cached_property
from numbers import Real
from typing import Any, Literal, NamedTuple

import networkx as nx

from agents.planning.values import AtLeast, Below, Condition

__all__ = ["Missing", "PlanResult", "Reason", "Stats", "Status", "Step"]


class Status(StrEnum):
    """How good the answer is."""

    OPTIMAL = "optimal"
    """There is no cheaper plan; proved."""
    BOUNDED = "bounded"
    """A plan; at most `gap` above the cheapest. A limit stopped the proof."""
    UNREACHABLE = "unreachable"
    """No sequence of actions reaches the goal; proved. `missing` says what would help."""
    OVER_BUDGET = "over_budget"
    """Every plan costs more money than allowed; proved. `usd` is the lowest possible price."""
    LIMIT = "limit"
    """A limit was reached before a plan was found. There may be one."""


class Reason(NamedTuple):
    """Why one step comes before another.

    Attributes:
        kind: `causal`: the first supplies the fact to the second. `threat`: one of them undoes
            the fact that the other one, or a third step, relies on.
        fact: The fact.
        value: What it must be.
    """

    kind: Literal["causal", "threat"]
    fact: str
    value: object


class Missing(NamedTuple):
    """A condition that nothing can make true.

    Attributes:
        fact: The fact.
        value: What it would have to be.
        needed_by: The actions that need it, and `goal` if the goal does.
    """

    fact: str
    value: object
    needed_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One action in a plan.

    Attributes:
        id: Unique in the plan: the name of the action, with ``#2`` the second time.
        action: The name of the action.
        index: Its place in `PlanResult.steps`.
        stage: How many steps at least come before it; steps of one stage are independent.
        after: The steps that must be finished before it starts.
        needs: What it needs, as declared.
        effect: What it makes true, as declared.
        cost: What the planner minimised.
        seconds: How long it takes.
        usd: What it costs in money.
        why: Which fact it supplies to whom: pairs of a fact and a step id, or `goal`.
        resources: What it occupies while it runs.
    """

    id: str
    action: str
    index: int
    stage: int
    after: tuple[str, ...]
    needs: tuple[Condition, ...]
    effect: tuple[Condition, ...]
    cost: float
    seconds: float
    usd: float
    why: tuple[tuple[str, str], ...]
    resources: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Stats:
    """What the answer took.

    Attributes:
        expanded: States whose successors were computed.
        generated: Successors computed.
        evaluated: States for which the lower bound was worked out.
        actions: Actions that mattered.
        atoms: Conditions that mattered.
        seconds: Time per stage of the search.
        stopped_by: Which limit was reached: `time`, `expansions`, `memory`, `cancelled`, or
            nothing.
    """

    expanded: int = 0
    generated: int = 0
    evaluated: int = 0
    actions: int = 0
    atoms: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    stopped_by: str = ""


Edges = Mapping[tuple[str, str], tuple[Reason, ...]]


@dataclass(frozen=True)
class PlanResult:
    """An answer of the planner. True in a condition if there is a plan, even an empty one.

    Attributes:
        status: How good the answer is.
        cost: The sum over the steps; infinite without a plan.
        lower_bound: No plan costs less; infinite if there is none.
        seconds: The sum over the steps, as if done one after the other.
        usd: The sum over the steps; for `OVER_BUDGET` the price of the cheapest possible plan.
        steps: In an order that works.
        edges: The order that is needed, with the reasons.
        goal: What was asked for.
        missing: For `UNREACHABLE`: what would have to be supplied.
        world: The values the plan starts from, of the facts it and the goal mention.
        stats: What the answer took.
        cheapest: For `OVER_BUDGET`: the plan that costs least money.
    """

    status: Status
    cost: float
    lower_bound: float
    seconds: float = 0.0
    usd: float = 0.0
    steps: tuple[Step, ...] = ()
    edges: Edges = field(default_factory=dict)
    goal: tuple[Condition, ...] = ()
    missing: tuple[Missing, ...] = ()
    world: tuple[Condition, ...] = ()
    stats: Stats = field(default_factory=Stats, compare=False)
    cheapest: "PlanResult | None" = None

    def __bool__(self) -> bool:
        return self.status in {Status.OPTIMAL, Status.BOUNDED}

    @property
    def gap(self) -> float:
        """How far the cost may be from the cheapest, as a part of the cost; 0 if proved."""
        if not self:
            return math.inf
        return (self.cost - self.lower_bound) / self.cost if self.cost else 0.0

    @cached_property
    def digest(self) -> str:
        """The same for the same plan of the same world, on every machine.

        Neither the order of mappings nor irrelevant actions change it.
        """
        return digest_of(
            [
                "plan" if self else self.status.value,
                sorted([fact, canonical(value)] for fact, value in self.world),
                sorted([fact, canonical(value)] for fact, value in self.goal),
                [_step_content(step) for step in self.steps],
                sorted([m.fact, canonical(m.value), *sorted(m.needed_by)] for m in self.missing),
                canonical(self.usd),
            ]
        )

    @cached_property
    def graph(self) -> "nx.DiGraph[str]":
        """The plan as a graph of step ids.

        A node has its `Step` as attribute `step`, an edge a tuple of `Reason` as `reason`.
        Every topological order of it is a valid plan.
        """
        graph = nx.DiGraph()
        for step in self.steps:
            graph.add_node(step.id, step=step)
        for (before, after), reasons in self.edges.items():
            graph.add_edge(before, after, reason=reasons)
        return graph

    @property
    def stages(self) -> tuple[tuple[str, ...], ...]:
        """Step ids in groups; the steps of a group can run at the same time."""
        return tuple(tuple(ids) for ids in nx.topological_generations(self.graph))

    @cached_property
    def critical_path(self) -> tuple[str, ...]:
        """The chain of steps that takes longest; no amount of parallel work is faster."""
        best: dict[str, tuple[float, tuple[str, ...]]] = {}
        for step in self.steps:
            before = max((best[i] for i in step.after), key=lambda b: b[0], default=(0.0, ()))
            best[step.id] = (before[0] + step.seconds, (*before[1], step.id))
        return max(best.values(), key=lambda b: b[0], default=(0.0, ()))[1]

    def as_dict(self) -> dict[str, Any]:
        """The answer for a JSON document; what is infinite becomes `None`."""
        return {
            "status": self.status.value,
            "cost": _finite(self.cost),
            "lower_bound": _finite(self.lower_bound),
            "gap": _finite(self.gap),
            "seconds": self.seconds,
            "usd": self.usd,
            "digest": self.digest,
            "goal": [[fact, plain(value)] for fact, value in self.goal],
            "steps": [_step_dict(step) for step in self.steps],
            "stages": [list(ids) for ids in self.stages],
            "critical_path": list(self.critical_path),
            "missing": [
                {"fact": m.fact, "value": plain(m.value), "needed_by": list(m.needed_by)}
                for m in self.missing
            ],
        }


def _step_content(step: Step) -> list[object]:
    return [
        step.id,
        sorted([fact, canonical(value)] for fact, value in step.needs),
        sorted([fact, canonical(value)] for fact, value in step.effect),
        [canonical(number) for number in (step.cost, step.seconds, step.usd)],
        list(step.after),
        list(step.resources),
    ]


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _step_dict(step: Step) -> dict[str, Any]:
    return {
        "id": step.id,
        "action": step.action,
        "stage": step.stage,
        "after": list(step.after),
        "needs": [[fact, plain(value)] for fact, value in step.needs],
        "effect": [[fact, plain(value)] for fact, value in step.effect],
        "cost": {"total": step.cost, "seconds": step.seconds, "usd": step.usd},
        "why": [list(pair) for pair in step.why],
        "resources": dict(step.resources),
    }


def plain(value: object) -> object:
    """A value as JSON knows it; equal values become equal."""
    if isinstance(value, bool | str | int | float) and not isinstance(value, Enum):
        return value
    if isinstance(value, Enum):
        return plain(value.value) if isinstance(value, str | int) else value.name
    if isinstance(value, AtLeast):
        return f">= {value.bound:g}"
    if isinstance(value, Below):
        return f"< {value.bound:g}"
    return None if value is None else str(value)


def digest_of(content: object) -> str:
    """The sha256 of JSON-like content, the same on every machine."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def canonical(value: object) -> str:
    """A text that is the same for values that are equal and different for others."""
    if isinstance(value, AtLeast | Below):
        return f"{type(value).__name__} {canonical(value.bound)}"
    if isinstance(value, str):
        return "s:" + str.__str__(value)
    if isinstance(value, Real):
        number = float(value)
        return f"n:{number!r}" if number == value else f"n:{value!s}"
    if isinstance(value, Enum):
        return f"e:{type(value).__name__}.{value.name}"
    return f"o:{type(value).__name__}:{value!r}"
