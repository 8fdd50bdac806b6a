"""Plans that cannot be proved in time get cheaper, stay valid, and do so reproducibly."""

import random
from itertools import pairwise

import pytest
from planning_problems import Problem, action

from agents.planning.compile import compile_task
from agents.planning.limits import Budget, Limits
from agents.planning.operator_index import Operators
from agents.planning.operators import declare_all
from agents.planning.search.anneal import Annealing
from agents.planning.search.improve import improvements
from agents.planning.search.lookahead import first_plan, serving, without_waste
from agents.planning.task import Task


def catalogue(size: int, seed: int) -> Problem:
    """Layers of facts with suppliers of different cost, a quarter of which undo something."""
    rng = random.Random(seed)
    facts = size // 3
    actions = []
    for i in range(size):
        made = i % facts
        below = range(max(0, made - facts // 3), made)
        needs = dict.fromkeys((f"f{n}" for n in rng.sample(below, min(len(below), 3))), True)
        effect = {f"f{made}": True}
        if rng.random() < 0.25:
            effect.setdefault(f"f{rng.randrange(facts)}", False)
        actions.append(action(f"a{i}", needs, effect, rng.randint(1, 20)))
    goal = {f"f{n}": True for n in rng.sample(range(facts * 2 // 3, facts), 5)}
    return {}, goal, actions


def compiled(problem: Problem) -> Task:
    start, goal, actions = problem
    task = compile_task(start, tuple(goal.items()), Operators(declare_all(actions)))
    assert task is not None
    return task


def budget() -> Budget:
    return Budget(Limits(seconds=None))


def first(task: Task) -> list[int]:
    found = first_plan(task, task.cost, budget(), evaluations=100)
    assert found is not None
    return found


@pytest.mark.parametrize("seed", range(4))
def test_every_improvement_is_valid_and_cheaper_than_the_one_before(seed: int) -> None:
    task = compiled(catalogue(120, seed))
    plans = [first(task), *improvements(task, first(task), task.cost, budget(), patience=150)]
    assert all(task.solves(plan) for plan in plans)
    assert all(task.price(one) > task.price(next_) for one, next_ in pairwise(plans))
    assert len(plans) > 1


def test_the_same_seed_improves_in_the_same_way() -> None:
    task = compiled(catalogue(90, 1))
    runs = [
        list(improvements(task, first(task), task.cost, budget(), patience=80)) for _ in range(2)
    ]
    assert runs[0] == runs[1]


@pytest.mark.parametrize("seed", range(6))
def test_taking_out_waste_leaves_a_plan_that_cannot_lose_an_action(seed: int) -> None:
    task = compiled(catalogue(90, seed))
    plan = without_waste(task, first(task), task.cost)
    assert task.solves(plan)
    for position in range(len(plan)):
        assert not task.solves([*plan[:position], *plan[position + 1 :]])
    assert serving(task, plan) == plan


def test_a_choice_of_suppliers_is_a_relaxed_plan_whose_cost_it_states() -> None:
    task = compiled(catalogue(90, 2))
    annealing = Annealing(task, task.cost, random.Random(0))
    annealing.begin(first(task), task.cost)
    seen = 0
    for cost, ops in annealing.run(400, 20.0, 1.0):
        assert cost == task.price(ops)
        state = task.start
        for op in ops:
            assert not task.pre[op] & ~state
            state |= task.add[op]
        assert not task.goal & ~state
        seen += 1
    assert seen > 20
