"""Pictures of a plan: complete, well-formed, and the same every time."""

import re

import networkx as nx
import pytest
from planning_problems import action

from agents.planning import AtLeast, PlanResult, plan
from agents.planning.graphs import to_dot, to_mermaid

CATALOGUE = [
    action('say "hi" & <wave>', {}, {"greeted": True, "tired": False}, 2, usd=0.5),
    action("rest", {}, {"gb": AtLeast(3), "tired": True}, 90, seconds=7300),
    action("leave", {"greeted": True, "gb": AtLeast(3), "tired": False}, {"gone": True}),
]


@pytest.fixture
def result() -> PlanResult:
    return plan({}, {"gone": True}, CATALOGUE)


def test_every_picture_names_every_step_the_goal_and_what_they_cost(result: PlanResult) -> None:
    for text in (to_mermaid(result), to_dot(result)):
        assert all(
            name in text for name in ("rest", "leave", "gone", "2.03 h · cost 90", "2 s · $0.50")
        )


def test_mermaid_draws_every_edge_and_marks_the_critical_path(result: PlanResult) -> None:
    text = to_mermaid(result)
    assert len(re.findall(r"^ {4}s\d+ -", text, re.MULTILINE)) == len(result.edges) + 1
    names = {step.id: f"s{step.index}" for step in result.steps}
    critical = ",".join(names[step] for step in result.critical_path)
    assert f"class {critical} critical" in text


def test_mermaid_escapes_what_would_break_it(result: PlanResult) -> None:
    text = to_mermaid(result)
    assert text.startswith("flowchart LR\n")
    assert "say &quot;hi&quot; &amp; &lt;wave&gt;" in text
    assert "-.->" in text
    assert "gb &gt;= 3" in text


def test_dot_quotes_names(result: PlanResult) -> None:
    text = to_dot(result)
    assert '"say \\"hi\\" & <wave>"' in text
    assert text.count(" -> ") == len(result.edges) + 1
    assert "style=dashed" in text


@pytest.mark.parametrize("draw", [to_dot, to_mermaid])
def test_there_is_a_picture_of_an_empty_plan_and_of_none(draw: object) -> None:
    assert callable(draw)
    assert draw(plan({"gone": True}, {"gone": True}, CATALOGUE))
    assert draw(plan({}, {"never": True}, CATALOGUE))


def test_the_same_plan_gives_the_same_picture(result: PlanResult) -> None:
    again = plan({}, {"gone": True}, CATALOGUE)
    assert to_mermaid(again) == to_mermaid(result)
    assert to_dot(again) == to_dot(result)


def test_the_graph_is_acyclic_and_agrees_with_the_steps(result: PlanResult) -> None:
    assert nx.is_directed_acyclic_graph(result.graph)
    for step in result.steps:
        assert set(result.graph.predecessors(step.id)) == set(step.after)
        assert step.id in result.stages[step.stage]
