"""A plan as a picture: Mermaid for Markdown, DOT for Graphviz.

The same plan always gives the same text.
"""

from agents.planning.labels import condition_text, cost_text, edge_text, last_steps, supplies
from agents.planning.result import PlanResult

__all__ = ["to_dot", "to_mermaid"]


def to_mermaid(result: PlanResult) -> str:
    """The plan as a Mermaid flowchart; dotted arrows only keep an order."""
    lines = ["flowchart LR"]
    names = {step.id: f"s{step.index}" for step in result.steps}
    for step in result.steps:
        label = f"{_mermaid(step.id)}<br/><small>{_mermaid(cost_text(step))}</small>"
        lines.append(f'    {names[step.id]}["{label}"]')
    if result:
        goal = "<br/>".join(_mermaid(condition_text(*c)) for c in result.goal)
        lines.append(f'    goal(["{goal}"])')
    for (before, after), reasons in result.edges.items():
        arrow = "-->" if supplies(reasons) else "-.->"
        text = _mermaid(edge_text(reasons))
        lines.append(f'    {names[before]} {arrow}|"{text}"| {names[after]}')
    for step, facts in last_steps(result):
        lines.append(f'    {names[step.id]} -->|"{_mermaid(facts)}"| goal')
    critical = [names[i] for i in result.critical_path]
    if critical:
        lines.append("    classDef critical stroke-width:3px")
        lines.append(f"    class {','.join(critical)} critical")
    return "\n".join(lines) + "\n"


def to_dot(result: PlanResult) -> str:
    """The plan for Graphviz; dashed edges only keep an order."""
    lines = [
        "digraph plan {",
        "  rankdir=LR;",
        '  node [shape=box, style=rounded, fontname="sans-serif", fontsize=11];',
        '  edge [fontname="sans-serif", fontsize=9];',
    ]
    critical = set(result.critical_path)
    for step in result.steps:
        width = ", penwidth=2.5" if step.id in critical else ""
        label = f"{step.id}\n{cost_text(step)}"
        lines.append(f"  {_quoted(step.id)} [label={_quoted(label)}{width}];")
    if result:
        goal = "\n".join(condition_text(*c) for c in result.goal)
        lines.append(f'  "(goal)" [label={_quoted(goal)}, shape=ellipse];')
    for (before, after), reasons in result.edges.items():
        style = "" if supplies(reasons) else ", style=dashed"
        label = _quoted(edge_text(reasons))
        lines.append(f"  {_quoted(before)} -> {_quoted(after)} [label={label}{style}];")
    for step, facts in last_steps(result):
        lines.append(f'  {_quoted(step.id)} -> "(goal)" [label={_quoted(facts)}];')
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _mermaid(text: str) -> str:
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(character, entity)
    return text
