"""How fast the planner is, and how good where it cannot finish.

Run it as `PYTHONPATH=. python benchmarks/planner.py`; the path is not needed where the project is
installed.

Prints one table row per target of the planner's specification. `cold` is the first call with
empty caches, `again` the median of the calls after it; `first plan` is the time until a plan was
in hand, likewise. Where pyperplan is installed, its A* with LM-cut solves the same unit-cost
problems in the same run, in a process of its own that is stopped after a while.
"""

import argparse
import importlib.util
import logging
import math
import multiprocessing
import random
import statistics
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from planner_problems import (
    Problem,
    among_irrelevant,
    cases,
    catalogue,
    classical,
    lanes,
    own_goals,
    project,
    round_trip,
)

from agents.planning import Limits, PlanResult, Status, operators_of, plan, still_valid
from agents.planning import operator_index as catalogues
from agents.planning import operators as declared
from agents.planning.compile import compile_task
from agents.planning.limits import Budget, Stopped
from agents.planning.search.improve import improvements
from agents.planning.search.lookahead import first_plan
from agents.planning.search.stages import Ties

PATIENCE_WITH_OTHERS = 30.0


def forget() -> None:
    """Empty the caches, so that the next call is like the first of a process."""
    declared._remembered.clear()
    catalogues._known.clear()


def timed(problem: Problem, seconds: float = 10.0) -> tuple[PlanResult, float]:
    """The answer and how many milliseconds it took."""
    started = time.perf_counter()
    result = plan(*problem, limits=Limits(seconds=seconds))
    return result, 1000 * (time.perf_counter() - started)


def first_plan_ms(result: PlanResult) -> float:
    """Milliseconds until a plan was in hand."""
    return 1000 * sum(result.stats.seconds.get(stage, 0) for stage in ("compile", "first plan"))


def row(name: str, target: str, problem: Problem, other: str = "") -> PlanResult:
    """Measure one problem and print its line."""
    forget()
    result, cold = timed(problem)
    first = first_plan_ms(result)
    later = [timed(problem) for _ in range(5 if cold < 500 else 1)]
    again = statistics.median(milliseconds for _, milliseconds in later)
    first_again = statistics.median(first_plan_ms(answer) for answer, _ in later)
    stats = result.stats
    print(
        f"| {name} | {target} | {cold:.1f} | {again:.1f} | {first:.1f} | {first_again:.1f} "
        f"| {stats.expanded} "
        f"| {len(result.steps)} | {result.status.value} {result.cost:g} | {other} |",
        flush=True,
    )
    return result


def table(title: str) -> None:
    """Print the head of a table."""
    print(f"\n### {title}\n")
    print(
        "| problem | target | cold ms | again ms | first plan ms | again | expanded | steps "
        "| answer | pyperplan |\n|---|---|---|---|---|---|---|---|---|---|"
    )


def compiled_for_pyperplan(problem: Problem) -> Any:
    """The problem as pyperplan's task.

    Only where `False` is asked for does a fact get a counterpart, so that pyperplan is given no
    more facts than it needs.
    """
    from pyperplan.task import Operator, Task  # noqa: PLC0415 - optional

    start, goal, actions = problem
    asked = {c for a in actions for c in a["needs"].items()} | set(goal.items())
    changed = {c for a in actions for c in a["effect"].items()}
    known = {(f, True) for f, _ in asked | changed} | {(f, v) for f, v in asked if v is False}

    def texts(conditions: Iterable[tuple[str, bool]]) -> frozenset[str]:
        return frozenset(f"({'' if v else 'not-'}{f})" for f, v in conditions if (f, v) in known)

    operators = [
        Operator(
            a["name"],
            texts(a["needs"].items()),
            texts(a["effect"].items()),
            texts((f, not v) for f, v in a["effect"].items()),
        )
        for a in actions
    ]
    initial = texts((f, bool(start.get(f, False))) for f in {f for f, _ in known})
    return Task("p", texts(known), initial, texts(goal.items()), operators)


def _ask_pyperplan(problem: Problem, answers: Any) -> None:
    from pyperplan.heuristics.lm_cut import LmCutHeuristic  # noqa: PLC0415 - optional
    from pyperplan.search import astar_search  # noqa: PLC0415 - optional

    logging.disable(logging.CRITICAL)
    started = time.perf_counter()
    try:
        task = compiled_for_pyperplan(problem)
        found = astar_search(task, LmCutHeuristic(task))
    except RecursionError:
        answers.put("recursion error")
        return
    cost = "none" if found is None else len(found)
    answers.put(f"{1000 * (time.perf_counter() - started):.0f} ms, cost {cost}")


def pyperplan(problem: Problem) -> str:
    """What pyperplan takes for the same problem, if it is installed."""
    if importlib.util.find_spec("pyperplan") is None:
        return "not installed"
    if any(a["cost"] != 1 for a in problem[2]):
        return "unit costs only"
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=_ask_pyperplan, args=(problem, answers))
    process.start()
    process.join(PATIENCE_WITH_OTHERS)
    if process.is_alive():
        process.kill()
        process.join()
        return f"none in {PATIENCE_WITH_OTHERS:.0f} s"
    if process.exitcode:  # a mistake of this benchmark, not an answer of pyperplan
        raise SystemExit("the process with pyperplan failed; see above")
    return str(answers.get(timeout=5))


def simple_problems() -> None:
    """The rows that are solved without search."""
    table("Project, chains, independent goals, irrelevant actions")
    for name, problem in own_goals():
        row(name, "≤ 10 ms, proved", problem)
    for irrelevant in (0, 200, 1_000, 10_000):
        name = f"training pipeline + {irrelevant} irrelevant"
        row(name, "≤ 10 ms, proved", project(irrelevant))
    start, goal, actions = project(10_000)
    made_once: Any = operators_of(actions)
    row("the same, catalogue made once", "≤ 10 ms, proved", (start, goal, made_once))
    rows = [
        ("chain of 1,000", "plan ≤ 10 ms, proved ≤ 500 ms", lanes(1, 1_000)),
        ("32 independent facts", "≤ 5 ms, expanded ≤ 64", lanes(32, 1)),
        ("16 lanes of 3", "≤ 5 ms, expanded ≤ 96", lanes(16, 3)),
        ("15 useful + 200 irrelevant", "≤ 5 ms", among_irrelevant(15, 200)),
    ]
    for name, target, problem in rows:
        row(name, target, problem, pyperplan(problem))


def classical_problems() -> None:
    """The classical instances and the cases of other planners."""
    table("Classical problems with known optimum")
    right = 0
    instances = classical()
    for name, optimum, problem in instances:
        result = row(name, "≤ 10 s, first plan ≤ 50 ms", problem, pyperplan(problem))
        right += result.status is Status.OPTIMAL and result.cost == optimum
    print(f"\noptimal and proved: {right} of {len(instances)}")
    good = sum(_case_is_right(case, problem) for case, problem in cases())
    print(f"cases from other planners' bug reports: {good} of {len(cases())}")


def _case_is_right(case: dict[str, Any], problem: Problem) -> bool:
    result = plan(*problem)
    if not case["solvable"]:
        return result.status is Status.UNREACHABLE
    names = [step.action for step in result.steps]
    accepted = case["accepted_plans"] is None or names in case["accepted_plans"]
    return accepted and abs(result.cost - case["optimal_cost"]) < 1e-9


def best_of_others(problem: Problem, seconds: float) -> tuple[float, float]:
    """The cost of the first plan, and the best that three improvements with other seeds find.

    Each gets so many seconds. The planner itself uses seed 0, so it is not its own judge.
    """
    start, goal, actions = problem
    task = compile_task(start, tuple(goal.items()), operators_of(actions))
    assert task is not None
    ties = Ties(task)
    first_cost = best = math.inf
    for seed in (1, 2, 3):
        budget = Budget(Limits(seconds=seconds))
        first = first_plan(task, ties.weights, budget, evaluations=400)
        assert first is not None
        first_cost = task.price(first) / task.scale
        better = improvements(task, first, ties.weights, budget, patience=10**9, seed=seed)
        with suppress(Stopped):
            for found in better:
                assert task.solves(found)
                best = min(best, task.price(found) / task.scale)
    return first_cost, best


def large_problems(seconds: float) -> None:
    """What cannot be proved: how good the plan is after 5 s, against far longer searches."""
    print(f"\n### Large catalogues: 5 s against three other seeds with {seconds:g} s each\n")
    print(
        "| problem | target | first plan ms | its cost | after 5 s | bound | gap "
        "| best known | above best |\n|---|---|---|---|---|---|---|---|---|"
    )
    problems = [(f"{n} actions, seed {s}", catalogue(n, s)) for n in (200, 600) for s in range(4)]
    provable = {"round trip of 14"}
    problems.append(("round trip of 14", round_trip(14)))
    above = []
    for name, problem in problems:
        forget()
        result, _ = timed(problem, 5.0)
        first_cost, others = best_of_others(problem, seconds)
        if name in provable:  # improvement alone is no measure where A* gets to the optimum
            others = min(others, timed(problem, 60.0)[0].cost)
        best = min(result.cost, others)
        above.append(result.cost / best - 1)
        print(
            f"| {name} | plan ≤ 20 ms, ≤ 3 % above best | {first_plan_ms(result):.1f} "
            f"| {first_cost:g} | {result.cost:g} | {result.lower_bound:g} | {result.gap:.1%} "
            f"| {best:g} | {above[-1]:.1%} |",
            flush=True,
        )
    within = sum(part <= 0.03 for part in above)
    print(f"\nwithin 3 % of the best known: {within} of {len(above)}; worst {max(above):.1%}")


def faults(problem: Problem, rounds: int) -> Iterable[tuple[float, float]]:
    """Milliseconds to check and to plan again after random faults on the way."""
    start, goal, actions = problem
    effects = {a["name"]: a["effect"] for a in actions}
    rng = random.Random(5)
    result = plan(*problem)
    for _ in range(rounds):
        world = dict(start)
        done = rng.randrange(len(result.steps))
        for step in result.steps[:done]:
            world.update(effects[step.action])
        broken = rng.choice(sorted(f for f, v in world.items() if v is True) or ["nothing"])
        world[broken] = False
        ids = {step.id for step in result.steps[:done]}
        begun = time.perf_counter()
        still_valid(result, world, done=ids)
        checked = time.perf_counter()
        plan(world, goal, actions)
        yield 1000 * (checked - begun), 1000 * (time.perf_counter() - checked)


def replanning() -> None:
    """After a fault: is the rest still good, and if not, a new plan."""
    print("\n### Replanning after a random fault (training pipeline)\n")
    checks, plans = zip(*faults(project(), 500), strict=True)
    ordered = sorted(plans)
    print(f"still valid? median {1000 * statistics.median(checks):.0f} µs")
    print(
        f"new plan: median {statistics.median(ordered):.2f} ms (target 3), "
        f"p99 {ordered[int(len(ordered) * 0.99)]:.2f} ms (target 20)"
    )


def main() -> None:
    """Run everything, or what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parts = ("simple", "classical", "large", "replanning")
    parser.add_argument("part", nargs="*", default=parts, help=", ".join(parts))
    parser.add_argument(
        "--others", type=float, default=15.0, help="seconds per seed for the best known"
    )
    options = parser.parse_args()
    timed(lanes(2, 2))
    if "simple" in options.part:
        simple_problems()
    if "classical" in options.part:
        classical_problems()
    if "large" in options.part:
        large_problems(options.others)
    if "replanning" in options.part:
        replanning()


if __name__ == "__main__":
    main()
