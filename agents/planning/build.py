"""Make the answer: steps with names, stages and reasons, and the digest."""

import math
from collections.abc import Sequence
from fractions import Fraction

from agents.planning.compile import exact
from agents.planning.limits import Budget
from agents.planning.order import GOAL, PartialOrder, partial_order
from agents.planning.result import (
    Missing,
    PlanResult,
    Reason,
    Stats,
    Status,
    Step,
)
from agents.planning.task import Task
from agents.planning.values import Condition, World

__all__ = ["answer", "no_plan", "stats_of", "total"]


def total(task: Task, scaled_cost: int) -> float:
    """A sum of scaled costs in the units the actions were declared in."""
    return float(Fraction(scaled_cost, task.scale))


def stats_of(budget: Budget, task: Task | None = None, stopped_by: str = "") -> Stats:
    """What was used so far."""
    return Stats(
        expanded=budget.expanded,
        generated=budget.generated,
        evaluated=budget.evaluated,
        actions=len(task.actions) if task else 0,
        atoms=len(task.atoms) if task else 0,
        seconds=dict(budget.seconds),
        stopped_by=stopped_by,
    )


def no_plan(
    status: Status,
    goal: tuple[Condition, ...],
    stats: Stats,
    *,
    lower_bound: float = math.inf,
    usd: float = 0.0,
    missing: tuple[Missing, ...] = (),
    cheapest: PlanResult | None = None,
) -> PlanResult:
    """An answer without steps."""
    return PlanResult(
        status=status,
        cost=math.inf,
        lower_bound=lower_bound,
        usd=usd,
        goal=goal,
        missing=missing,
        stats=stats,
        cheapest=cheapest,
    )


def answer(
    task: Task,
    sequence: Sequence[int],
    *,
    status: Status,
    lower_bound: float,
    start: World,
    goal: tuple[Condition, ...],
    stats: Stats,
) -> PlanResult:
    """An answer with a plan, from a valid sequence of operators."""
    order = partial_order(task, sequence)
    steps, edges = _steps(task, sequence, order)
    return PlanResult(
        status=status,
        cost=total(task, task.price(sequence)),
        lower_bound=lower_bound,
        seconds=math.fsum(step.seconds for step in steps),
        usd=float(sum([exact(step.usd) for step in steps if step.usd], Fraction())),
        steps=steps,
        edges=edges,
        goal=goal,
        world=_world(steps, goal, start),
        stats=stats,
    )


def _steps(
    task: Task, sequence: Sequence[int], order: PartialOrder
) -> tuple[tuple[Step, ...], dict[tuple[str, str], tuple[Reason, ...]]]:
    """Steps stage by stage and in each as declared, so the order of search is of no account."""
    places = sorted(range(len(sequence)), key=lambda at: (order.stage[at], sequence[at], at))
    names = _ids([task.actions[sequence[at]].name for at in places], task)
    ids = dict(zip(places, names, strict=True))
    index = {at: number for number, at in enumerate(places)}
    edges, why = _edges(task, order, index), _why(task, order, index, ids)
    before: dict[int, list[int]] = {at: [] for at in places}
    for first, second in edges:
        before[second].append(first)
    steps = []
    for number, at in enumerate(places):
        action = task.actions[sequence[at]]
        steps.append(
            Step(
                id=ids[at],
                action=action.name,
                index=number,
                stage=order.stage[at],
                after=tuple([ids[i] for i in sorted(before[at], key=index.__getitem__)]),
                needs=action.needs,
                effect=action.effect,
                cost=action.cost,
                seconds=action.seconds,
                usd=action.usd,
                why=tuple([(fact, who) for _, fact, who in sorted(why[at], key=_by_place)]),
                resources=action.resources,
            )
        )
    ordered = sorted(edges.items(), key=lambda item: (index[item[0][0]], index[item[0][1]]))
    return tuple(steps), {
        (ids[first], ids[second]): tuple(reasons) for (first, second), reasons in ordered
    }


def _edges(
    task: Task, order: PartialOrder, index: dict[int, int]
) -> dict[tuple[int, int], list[Reason]]:
    """Which step comes before which, and for what."""
    edges: dict[tuple[int, int], list[Reason]] = {}
    for (supplier, consumer), atoms in order.links.items():
        if consumer in index:
            reasons = [Reason("causal", *task.atoms[atom]) for atom in atoms]
            edges.setdefault((supplier, consumer), []).extend(reasons)
    for edge, atoms in order.threats.items():
        edges.setdefault(edge, []).extend(Reason("threat", *task.atoms[atom]) for atom in atoms)
    return edges


def _why(
    task: Task, order: PartialOrder, index: dict[int, int], ids: dict[int, str]
) -> dict[int, list[tuple[int, str, str]]]:
    """For each step the facts it supplies, with the place and the name of who needs them."""
    why: dict[int, list[tuple[int, str, str]]] = {at: [] for at in index}
    for (supplier, consumer), atoms in order.links.items():
        place = len(index) if consumer == GOAL else index[consumer]
        target = "goal" if consumer == GOAL else ids[consumer]
        why[supplier] += [(place, task.atoms[atom][0], target) for atom in atoms]
    return why


def _by_place(entry: tuple[int, str, str]) -> tuple[int, str]:
    return entry[0], entry[1]


def _ids(names: list[str], task: Task) -> list[str]:
    """Names made unique; an action that is itself called `a#2` is not run into."""
    taken = {action.name for action in task.actions}
    count: dict[str, int] = {}
    ids = []
    for name in names:
        count[name] = count.get(name, 0) + 1
        unique = name
        while count[name] > 1:
            unique = f"{name}#{count[name]}"
            if unique not in taken:
                break
            count[name] += 1
        ids.append(unique)
    return ids


def _world(
    steps: tuple[Step, ...], goal: tuple[Condition, ...], start: World
) -> tuple[Condition, ...]:
    facts = {fact for fact, _ in goal}
    for step in steps:
        facts.update([fact for fact, _ in step.needs])
        facts.update([fact for fact, _ in step.effect])
    return tuple([(fact, start.get(fact, False)) for fact in sorted(facts)])
