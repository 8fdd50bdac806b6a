"""Two runs side by side, as text."""

from typing import Any

from agents.cli.output import duration, paint

__all__ = ["diff_text"]


def diff_text(data: dict[str, Any]) -> str:
    """What differs, one thing per line: before, then after."""
    lines = [f"{mark} {_run(data[name])}" for mark, name in (("-", "a"), ("+", "b"))]
    lines += [f"  {key}: {old} → {new}" for key, (old, new) in data["params"].items()]
    if data["plans"]:
        old, new = (", ".join(each[:12] for each in side) for side in data["plans"])
        lines.append(f"  plans: {old or 'none'} → {new or 'none'}")
    lines += [
        f"  {each['action']}: {_step(each['a'])} → {_step(each['b'])}" for each in data["steps"]
    ]
    for each in data["measurements"]:
        change = "" if each["change"] is None else f" ({each['change']:+.4g})"
        unit = f" {each['unit']}" if each["unit"] else ""
        lines.append(
            f"  {each['action']} {each['name']}: {_number(each['a'])} → {_number(each['b'])}"
            f"{unit}{change}"
        )
    for mark, failures in zip("-+", data["failures"] or ([], []), strict=True):
        lines += [paint(f"  {mark} failed {each}", "red") for each in failures]
    return "\n".join(lines)


def _run(summary: dict[str, Any]) -> str:
    return f"{summary['run']}  {summary['goal']}  {summary['status']}  {summary['started'][:19]}"


def _step(ended: dict[str, Any] | None) -> str:
    if ended is None:
        return "not done"
    took = "" if ended["seconds"] is None else f" in {duration(ended['seconds'])}"
    return f"{ended['status']}{took}"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"
