"""Small random problems, an exhaustive judge that shares no code with the planner, and helpers."""

import heapq
import random
from typing import Any

from agents.planning import PlanResult

Problem = tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]


def action(
    name: str,
    needs: dict[str, Any],
    effect: dict[str, Any],
    cost: float = 1,
    **more: Any,
) -> dict[str, Any]:
    return {"name": name, "needs": needs, "effect": effect, "cost": cost, **more}


def random_problem(seed: int, *, facts: int = 6, actions: int = 9) -> Problem:
    """Booleans and one three-valued fact; actions that undo; some problems have no plan."""
    rng = random.Random(seed)
    names = [f"f{i}" for i in range(facts)]

    def conditions(most: int, least: int = 0) -> dict[str, Any]:
        chosen = rng.sample(names, rng.randint(least, most))
        found: dict[str, Any] = {name: rng.random() < 0.7 for name in chosen}
        if rng.random() < 0.3:
            found["mode"] = rng.choice(["idle", "busy", "done"])
        return found

    catalogue = []
    for number in range(actions):
        effect = conditions(2, 1)
        cost = rng.choice([0, 0.5, 1, 1, 2, 3, 1.2])
        usd = rng.choice([0, 0, 1, 2.5])
        catalogue.append(action(f"a{number}", conditions(3), effect, cost, usd=usd))
    start: dict[str, Any] = {name: True for name in names if rng.random() < 0.2}
    start["mode"] = "idle"
    return start, conditions(3, 1), catalogue


def cheapest(problem: Problem, max_usd: float = float("inf")) -> float | None:
    """The optimal cost by Dijkstra over dictionaries, or `None` if there is no plan."""
    start, goal, actions = problem
    facts = sorted({f for a in actions for f in (*a["needs"], *a["effect"])} | set(goal))

    def frozen(world: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(world.get(fact, False) for fact in facts)

    queue: list[tuple[float, int, float, tuple[Any, ...]]] = [(0.0, 0, 0.0, frozen(start))]
    labels: dict[tuple[Any, ...], list[tuple[float, float]]] = {}
    count = 0
    while queue:
        cost, _, spent, state = heapq.heappop(queue)
        known = labels.setdefault(state, [])
        if any(spent >= bill for _, bill in known):
            continue
        known.append((cost, spent))
        world = dict(zip(facts, state, strict=True))
        if all(world[fact] == value for fact, value in goal.items()):
            return cost
        for a in actions:
            bill = spent + a.get("usd", 0) if max_usd != float("inf") else 0.0
            if bill <= max_usd and all(world[f] == v for f, v in a["needs"].items()):
                count += 1
                after = frozen({**world, **a["effect"]})
                heapq.heappush(queue, (cost + a["cost"], count, bill, after))
    return None


def simulate(problem: Problem, names: list[str]) -> bool:
    """Whether these actions, one after the other, apply and reach the goal."""
    start, goal, actions = problem
    by_name = {a["name"]: a for a in actions}
    world = dict(start)
    for name in names:
        needs = by_name[name]["needs"]
        if any(world.get(fact, False) != value for fact, value in needs.items()):
            return False
        world.update(by_name[name]["effect"])
    return all(world.get(fact, False) == value for fact, value in goal.items())


def random_order(result: PlanResult, rng: random.Random) -> list[str]:
    """The actions in some topological order of the plan's graph."""
    graph = result.graph
    waiting = {node: graph.in_degree(node) for node in graph}
    ready = [node for node, count in waiting.items() if not count]
    order = []
    while ready:
        node = ready.pop(rng.randrange(len(ready)))
        order.append(graph.nodes[node]["step"].action)
        for after in graph.successors(node):
            waiting[after] -= 1
            if not waiting[after]:
                ready.append(after)
    return order
