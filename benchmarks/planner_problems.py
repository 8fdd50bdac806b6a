"""The problems of the planner benchmark, all made from fixed seeds."""

import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agents.__main__ import load_catalogue

Problem = tuple[dict[str, Any], Any, list[dict[str, Any]]]

IPC = Path(__file__).parents[2] / "shared" / "planning" / "ipc.json"
CASES = IPC.with_name("cases.json")


def action(
    name: str, needs: dict[str, Any], effect: dict[str, Any], cost: float = 1, usd: float = 0
) -> dict[str, Any]:
    """One declaration."""
    return {"name": name, "needs": needs, "effect": effect, "cost": cost, "usd": usd}


def lanes(count: int, length: int) -> Problem:
    """Chains that share nothing; a chain of one is an independent fact."""
    actions = [
        action(f"a{i}.{j}", {f"f{i}.{j - 1}": True} if j else {}, {f"f{i}.{j}": True})
        for i in range(count)
        for j in range(length)
    ]
    return {}, {f"f{i}.{length - 1}": True for i in range(count)}, actions


def among_irrelevant(useful: int, irrelevant: int) -> Problem:
    """A chain hidden among actions that apply but never help."""
    rng = random.Random(7)
    start, goal, actions = lanes(1, useful)
    for i in range(irrelevant):
        needs = {f"f0.{rng.randrange(useful - 1)}": True} if rng.random() < 0.5 else {}
        actions.append(action(f"x{i}", needs, {f"g{rng.randrange(irrelevant)}": True}))
    rng.shuffle(actions)
    return start, goal, actions


def own_goals() -> Iterator[tuple[str, Problem]]:
    """Every goal of this project with its real actions, from a machine where nothing was done."""
    catalogue = load_catalogue()
    before = {"auth_valid": True, "fits_memory": True, "loss_finite": True}
    start = {**before, "objective_sound": True, "free_mb": 50_000.0}
    for goal in catalogue.goals.values():
        params = catalogue.parameters(goal, {})
        actions: list[Any] = list(catalogue.grounded(params))
        yield f"goal={goal.name}, the real catalogue", (start, goal.conditions(params), actions)


def project(irrelevant: int = 0) -> Problem:
    """A training pipeline like this project's own: alternatives, recoveries, facts undone."""
    chain = [
        action("validate_auth", {}, {"auth": True}, 2),
        action("build_image", {"auth": True}, {"image": True}, 120, 0.02),
        action("reuse_image", {"auth": True, "image_cached": True}, {"image": True}, 3),
        action("prune", {"auth": True}, {"room": True, "old_checkpoints": False}, 20),
        action("update_docs", {"report": True}, {"documented": True}, 5),
    ]
    for model, hours in (("classifier", 0.3), ("dit", 3.0)):
        data, trained = f"{model}_data", f"{model}_trained"
        chain += [
            action(f"download_{model}", {"room": True}, {data: True}, 300),
            action(f"restore_{model}", {"auth": True, "backup": True}, {data: True}, 60),
            action(
                f"train_{model}",
                {"image": True, data: True, "room": True, "gpu_free": True},
                {trained: True, "room": False, f"{model}_committed": False},
                hours * 3600,
                hours * 1.1,
            ),
            action(
                f"train_{model}_locally",
                {data: True, "room": True},
                {trained: True, "room": False},
                hours * 36_000,
            ),
            action(
                f"resume_{model}",
                {"image": True, f"{model}_checkpoint": True, "room": True},
                {trained: True},
                hours * 1800,
                hours * 0.6,
            ),
            action(f"commit_{model}", {trained: True, "auth": True}, {f"{model}_committed": True}),
            action(f"judge_{model}", {f"{model}_committed": True}, {f"{model}_judged": True}, 30),
            action(f"wait_for_gpu_{model}", {"auth": True}, {"gpu_free": True}, 60),
        ]
    judged = {"classifier_judged": True, "dit_judged": True}
    chain.append(action("report", judged, {"report": True}, 4))
    rng = random.Random(11)
    for i in range(irrelevant):
        chain.append(action(f"other{i}", {"auth": True}, {f"o{rng.randrange(irrelevant)}": True}))
    start = {"old_checkpoints": True, "image_cached": True, "backup": False}
    return start, {"documented": True, "dit_committed": True, "room": True}, chain


def catalogue(size: int, seed: int) -> Problem:
    """A random catalogue of mostly relevant actions that has a plan.

    Facts lie in layers, every fact has suppliers of different cost, some actions supply two
    facts, and a quarter of them undo one.
    """
    rng = random.Random(f"{size} {seed}")
    facts = size // 3
    actions = []
    for i in range(size):
        made = i % facts
        below = range(max(0, made - facts // 3), made)
        needs = dict.fromkeys((f"f{n}" for n in rng.sample(below, min(len(below), 3))), True)
        effect = {f"f{made}": True}
        if rng.random() < 0.3:
            effect[f"f{rng.randrange(facts)}"] = True
        if rng.random() < 0.25:
            effect.setdefault(f"f{rng.randrange(facts)}", False)
        actions.append(action(f"a{i}", needs, effect, rng.randint(1, 20)))
    goal = {f"f{n}": True for n in rng.sample(range(facts * 2 // 3, facts), 8)}
    return {}, goal, actions


def round_trip(size: int) -> Problem:
    """Jobs at places with different distances: the hard kind, where bounds are weak."""
    rng = random.Random(size)
    places = [f"p{i}" for i in range(size)]
    actions = [
        action(f"go {a} {b}", {"at": a}, {"at": b}, rng.randint(3, 30))
        for a, b in itertools.permutations(places, 2)
    ]
    actions += [action(f"do {a}", {"at": a}, {f"done {a}": True}) for a in places]
    return {"at": "p0"}, {**{f"done {a}": True for a in places}, "at": "p0"}, actions


def classical() -> list[tuple[str, float, Problem]]:
    """Name, proved optimum and problem of the classical instances; none where not available."""
    if not IPC.exists():
        return []
    found = []
    for instance in json.loads(IPC.read_text(encoding="utf-8"))["instances"]:
        strips = instance["strips"]
        actions = [
            action(
                a["name"],
                {**dict.fromkeys(a["pre"], True), **dict.fromkeys(a["neg"], False)},
                {**dict.fromkeys(a["del"], False), **dict.fromkeys(a["add"], True)},
                1 if instance["unit_cost"] else a["cost"],
            )
            for a in strips["actions"]
        ]
        start = dict.fromkeys(strips["init"], True)
        goal = dict.fromkeys(strips["goal"], True)
        found.append((instance["id"], instance["optimal_cost"], (start, goal, actions)))
    return found


def cases() -> list[tuple[dict[str, Any], Problem]]:
    """The cases of other planners' bug reports; none where not available."""
    if not CASES.exists():
        return []
    return [
        (
            case,
            (
                case["init"],
                case["goal"],
                [action(a["name"], a["pre"], a["eff"], a["cost"]) for a in case["actions"]],
            ),
        )
        for case in json.loads(CASES.read_text(encoding="utf-8"))
    ]
