"""A plan as SVG: what follows from what, what it costs, and where the time goes."""

from itertools import pairwise
from xml.sax.saxutils import escape

from agents.planning.labels import condition_text, cost_text, edge_text, last_steps, supplies
from agents.planning.layout import Box, Layout, lay_out
from agents.planning.result import PlanResult, Step

__all__ = ["to_svg"]

_GOAL = "\0goal"
_HEADER = 52.0
_LETTER = 7.9
_SMALL_LETTER = 5.9
_FACT_LETTER = 5.5
_LONGEST_FACT = 24
_STYLE = """
text { font-family: ui-sans-serif, system-ui, 'Segoe UI', Helvetica, Arial, sans-serif; }
.title { font-size: 15px; font-weight: 600; fill: #111827; }
.note { font-size: 11px; fill: #6b7280; }
.name { font-size: 12.5px; font-weight: 600; fill: #111827; }
.cost { font-size: 10.5px; fill: #6b7280; }
.fact { font-size: 10px; fill: #374151; }
.patch { fill: #ffffff; fill-opacity: 0.88; }
.box { fill: #f9fafb; stroke: #9ca3af; }
.critical { fill: #eff6ff; stroke: #2563eb; stroke-width: 2px; }
.goal { fill: #ecfdf5; stroke: #059669; stroke-width: 1.5px; }
.edge { fill: none; stroke: #9ca3af; stroke-width: 1.3px; }
.threat { fill: none; stroke: #d97706; stroke-width: 1.2px; stroke-dasharray: 5 4; }
.hot { fill: none; stroke: #2563eb; stroke-width: 2px; }
.dashed { stroke-dasharray: 5 4; }
"""


def to_svg(result: PlanResult) -> str:
    """The plan as an SVG document.

    Stages stand from left to right; the critical path is blue; dashed arrows carry no fact and
    only keep one step from undoing what another relies on.
    """
    columns = [
        [_step_box(step) for step in result.steps if step.stage == stage]
        for stage in range(1 + max((step.stage for step in result.steps), default=-1))
    ]
    edges = dict(result.edges)
    last = {(step.id, _GOAL): facts for step, facts in last_steps(result)}
    if result:
        columns.append([_goal_box(result)])
    layout = lay_out(columns, [*edges, *last], top=_HEADER)
    width = max(layout.width, 420.0)
    shapes = [_edge(layout, edge, text, kind) for edge, text, kind in _edges(result, last)]
    shapes += [_fact(layout, edge, text) for edge, text, _ in _edges(result, last)]
    shapes += [_step(layout, step, result) for step in result.steps]
    if result:
        shapes.append(_goal(layout.boxes[_GOAL], result))
    return _document(result, width, layout.height, shapes)


def _document(result: PlanResult, width: float, height: float, shapes: list[str]) -> str:
    heading, note = _heading(result)
    size = f'width="{width:.0f}" height="{height:.0f}"'
    box = f'viewBox="0 0 {width:.0f} {height:.0f}"'
    label = _attribute(heading)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {box} role="img" aria-label="{label}">',
        f"<style>{_STYLE}</style>",
        f'<rect {size} fill="#ffffff"/>',
        "<defs>",
        *[_arrow(name, colour) for name, colour in _ARROWS.items()],
        "</defs>",
        f'<text class="title" x="28" y="30">{escape(heading)}</text>',
        f'<text class="note" x="28" y="48">{escape(note)}</text>',
        *shapes,
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


_ARROWS = {"edge": "#9ca3af", "threat": "#d97706", "hot": "#2563eb"}


def _arrow(name: str, colour: str) -> str:
    return (
        f'<marker id="arrow-{name}" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="8" '
        f'markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">'
        f'<path d="M0 0.5 L8 4 L0 7.5 z" fill="{colour}"/></marker>'
    )


def _heading(result: PlanResult) -> tuple[str, str]:
    if not result:
        return f"No plan: {result.status.value}", ", ".join(
            condition_text(m.fact, m.value) for m in result.missing
        )
    count = len(result.steps)
    steps = "nothing to do" if not count else "1 step" if count == 1 else f"{count} steps"
    heading = f"{steps} · cost {result.cost:g}" + (f" · ${result.usd:.2f}" if result.usd else "")
    note = "cheapest, proved" if not result.gap else f"at most {result.gap:.1%} above the cheapest"
    return heading, f"{note} · plan {result.digest[:12]}"


def _step_box(step: Step) -> Box:
    text = max(len(step.id) * _LETTER, len(cost_text(step)) * _SMALL_LETTER)
    return Box(step.id, text + 28, 42.0)


def _goal_box(result: PlanResult) -> Box:
    lines = [condition_text(*c) for c in result.goal]
    text = max([len("goal"), *map(len, lines)]) * _LETTER
    return Box(_GOAL, text + 36, 26.0 + 15 * max(1, len(lines)))


def _edges(
    result: PlanResult, last: dict[tuple[str, str], str]
) -> list[tuple[tuple[str, str], str, str]]:
    """Every edge with its text and how it looks; the important ones last, so they lie on top."""
    path = result.critical_path
    hot = set(pairwise((*path, _GOAL)))
    found = []
    for edge, reasons in result.edges.items():
        kind = "edge" if supplies(reasons) else "threat"
        if edge in hot:
            kind = "hot" if supplies(reasons) else "hot dashed"
        found.append((edge, edge_text(reasons), kind))
    for edge, facts in last.items():
        found.append((edge, facts, "hot" if edge in hot else "edge"))
    return sorted(found, key=lambda item: ("threat", "edge", "hot", "hot dashed").index(item[2]))


def _edge(layout: Layout, edge: tuple[str, str], text: str, kind: str) -> str:
    route = layout.routes[edge]
    x, y = route[0].x + route[0].width, route[0].y
    path = [f"M{x:.1f} {y:.1f}"]
    for box in route[1:]:
        end = box.x - (2 if box.width else 0)
        bend = (end - x) / 2
        path.append(f"C{x + bend:.1f} {y:.1f} {end - bend:.1f} {box.y:.1f} {end:.1f} {box.y:.1f}")
        x, y = box.x, box.y
    arrow = kind.split(maxsplit=1)[0]
    return (
        f'<path class="{kind}" d="{" ".join(path)}" marker-end="url(#arrow-{arrow})">'
        f"<title>{escape(text)}</title></path>"
    )


def _fact(layout: Layout, edge: tuple[str, str], text: str) -> str:
    """The label in the middle of the first bend, on a patch that hides the line below it."""
    first, second = layout.routes[edge][:2]
    x = (first.x + first.width + second.x) / 2
    y = (first.y + second.y) / 2
    shown = text if len(text) <= _LONGEST_FACT else text[: _LONGEST_FACT - 1] + "…"
    width = len(shown) * _FACT_LETTER + 6
    return (
        f'<rect class="patch" x="{x - width / 2:.1f}" y="{y - 7:.1f}" width="{width:.1f}" '
        f'height="14" rx="3"/>{_centred("fact", x, y + 3.5, shown)}'
    )


def _step(layout: Layout, step: Step, result: PlanResult) -> str:
    box = layout.boxes[step.id]
    middle = box.x + box.width / 2
    kind = "critical" if step.id in result.critical_path else "box"
    needs = ", ".join(condition_text(*c) for c in step.needs) or "nothing"
    effect = ", ".join(condition_text(*c) for c in step.effect)
    return (
        f"<g><title>{escape(f'{step.id}: needs {needs}; gives {effect}')}</title>"
        f"{_rect(box, kind, 8)}"
        f"{_centred('name', middle, box.y - 2, step.id)}"
        f"{_centred('cost', middle, box.y + 13, cost_text(step))}</g>"
    )


def _goal(box: Box, result: PlanResult) -> str:
    middle = box.x + box.width / 2
    top = box.y - box.height / 2
    lines = [_centred("cost", middle, top + 15, "goal")]
    for number, condition in enumerate(result.goal):
        lines.append(_centred("name", middle, top + 31 + 15 * number, condition_text(*condition)))
    return f"<g>{_rect(box, 'goal', 14)}{''.join(lines)}</g>"


def _centred(kind: str, x: float, y: float, text: str) -> str:
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{escape(text)}</text>'
    )


def _rect(box: Box, kind: str, corner: float) -> str:
    return (
        f'<rect class="{kind}" x="{box.x:.1f}" y="{box.y - box.height / 2:.1f}" '
        f'width="{box.width:.1f}" height="{box.height:.1f}" rx="{corner:g}"/>'
    )


def _attribute(text: str) -> str:
    return escape(text, {'"': "&quot;"})
