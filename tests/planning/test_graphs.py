"""Pictures of a plan: complete, well-formed, and the same every time."""

import xml.etree.ElementTree as ET

import networkx as nx
import pytest
from planning_problems import action, random_problem

from agents.planning import AtLeast, PlanResult, plan
from agents.planning.graphs import to_dot, to_mermaid, to_svg

CATALOGUE = [
    action('say "hi" & <wave>', {}, {"greeted": True, "tired": False}, 2, usd=0.5),
    action("rest", {}, {"gb": AtLeast(3), "tired": True}, 90, seconds=7300),
    action("leave", {"greeted": True, "gb": AtLeast(3), "tired": False}, {"gone": True}),
]


@pytest.fixture
def result() -> PlanResult:
    return plan({}, {"gone": True}, CATALOGUE)


def test_the_drawing_is_well_formed_and_names_every_step_and_the_goal(result: PlanResult) -> None:
    root = ET.fromstring(to_svg(result))  # noqa: S314 - our own text
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    for step in result.steps:
        assert step.id in texts
    assert {"gone", "2.03 h · cost 90", "2 s · $0.50"} <= set(texts)
    paths = root.findall("{http://www.w3.org/2000/svg}path")
    assert len(paths) == len(result.edges) + 1
    assert "hot dashed" in {path.get("class") for path in paths}


def test_no_two_boxes_of_a_drawing_overlap() -> None:
    for seed in range(40):
        drawing = to_svg(plan(*random_problem(seed, facts=10, actions=16)))
        rectangles = [
            tuple(float(r.get(side, 0)) for side in ("x", "y", "width", "height"))
            for r in ET.fromstring(drawing).iter("{http://www.w3.org/2000/svg}rect")  # noqa: S314
            if r.get("class") in {"box", "critical", "goal"}
        ]
        for i, (x, y, width, height) in enumerate(rectangles):
            for left, top, other_width, other_height in rectangles[:i]:
                apart_x = x + width <= left or left + other_width <= x
                apart_y = y + height <= top or top + other_height <= y
                assert apart_x or apart_y


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


@pytest.mark.parametrize("draw", [to_svg, to_dot, to_mermaid])
def test_there_is_a_picture_of_an_empty_plan_and_of_none(draw: object) -> None:
    assert callable(draw)
    assert draw(plan({"gone": True}, {"gone": True}, CATALOGUE))
    assert draw(plan({}, {"never": True}, CATALOGUE))


def test_the_same_plan_gives_the_same_picture(result: PlanResult) -> None:
    again = plan({}, {"gone": True}, CATALOGUE)
    assert to_svg(again) == to_svg(result)


def test_the_graph_is_acyclic_and_agrees_with_the_steps(result: PlanResult) -> None:
    assert nx.is_directed_acyclic_graph(result.graph)
    for step in result.steps:
        assert set(result.graph.predecessors(step.id)) == set(step.after)
        assert step.id in result.stages[step.stage]
