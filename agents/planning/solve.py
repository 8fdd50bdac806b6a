"""Compile, search, and make the answer."""

from agents.planning.build import answer, no_plan, stats_of, total
from agents.planning.compile import compile_task
from agents.planning.limits import Budget
from agents.planning.money import Affordable, search_within
from agents.planning.operator_index import Operators
from agents.planning.result import PlanResult, Status
from agents.planning.search.stages import search
from agents.planning.values import Condition, World

__all__ = ["solve"]


def solve(
    start: World,
    goal: tuple[Condition, ...],
    catalogue: Operators,
    budget: Budget,
    max_usd: float | None = None,
) -> PlanResult:
    """`plan` for checked input; does not say what is missing."""
    task = compile_task(start, goal, catalogue)
    budget.stage_done("compile")
    if task is None:
        return no_plan(Status.UNREACHABLE, goal, stats_of(budget))
    searched = search(task, budget) if max_usd is None else search_within(task, max_usd, budget)
    stats = stats_of(budget, task, searched.stopped_by)
    if searched.unreachable:
        return no_plan(Status.UNREACHABLE, goal, stats)
    bound = total(task, searched.bound)

    def answer_with(sequence: list[int], status: Status) -> PlanResult:
        return answer(
            task,
            sequence,
            status=status,
            lower_bound=bound,
            start=start,
            goal=goal,
            stats=stats,
        )

    if isinstance(searched, Affordable) and searched.over_budget:
        cheapest = answer_with(searched.least or [], Status.BOUNDED)
        usd = cheapest.usd
        return no_plan(
            Status.OVER_BUDGET, goal, stats, lower_bound=bound, usd=usd, cheapest=cheapest
        )
    if searched.plan is None:
        return no_plan(Status.LIMIT, goal, stats, lower_bound=bound)
    proved = task.price(searched.plan) <= searched.bound
    return answer_with(searched.plan, Status.OPTIMAL if proved else Status.BOUNDED)
