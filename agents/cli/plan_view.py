"""A plan as data and as text: a diff of facts, then the steps in stages."""

from typing import Any

from agents.cli.output import duration, money, paint
from agents.declare.facts import UNKNOWN, Condition, json_value, show_value
from agents.money.estimates import total
from agents.planning import Step
from agents.run.decide import Deliberation

__all__ = ["plan_data", "plan_text"]

_COLOURS = {"+": "green", "=": None, "$": "yellow", "?": "cyan", "-": "red"}


def plan_data(deliberation: Deliberation) -> dict[str, Any]:
    """The plan as plain data, the same for the command line and for agents."""
    result = deliberation.result
    return {
        "goal": deliberation.goal.name,
        "params": deliberation.params.model_dump(mode="json", exclude_none=True),
        "status": str(result.status),
        "cost": result.cost if result else None,
        "lower_bound": result.lower_bound,
        "seconds": result.seconds,
        "usd": _usd(deliberation),
        "estimate": _estimate(deliberation),
        "digest": result.digest,
        "facts": _facts(deliberation),
        "steps": [_step(deliberation, step) for step in result.steps],
        "critical_path": list(result.critical_path),
        "missing": [
            {
                "fact": each.fact,
                "value": json_value(each.value),
                "needed_by": list(each.needed_by),
                "evidence": _evidence(deliberation, each.fact),
            }
            for each in result.missing
        ],
    }


def plan_text(deliberation: Deliberation, words: str) -> str:
    """The plan for a person; ``words`` are what they typed, to run it."""
    data = plan_data(deliberation)
    lines = [_title(data), "", *_fact_lines(data)]
    if data["steps"]:
        lines += ["", *_step_lines(data), "", *_total_lines(deliberation, data, words)]
    elif deliberation.result:
        lines += ["", f"Nothing to do: {data['goal']} holds."]
    else:
        lines += ["", *_missing_lines(data)]
    return "\n".join(lines)


def _facts(deliberation: Deliberation) -> list[dict[str, Any]]:
    will_be = deliberation.will_be()
    paid = {
        fact
        for step in deliberation.result.steps
        if deliberation.grounded[step.action].price != 0
        for fact, _ in step.effect
    }
    found = []
    for fact, reading in _ordered(deliberation):
        after = will_be.get(fact, reading.value)
        sign = "="
        if fact in will_be and will_be[fact] is not False:
            sign = "$" if fact in paid else "+"
        elif reading.value is UNKNOWN:
            sign = "?"
        elif reading.value is False:
            sign = "-"
        found.append(
            {
                "name": fact,
                "sign": sign,
                "value": json_value(reading.value),
                "evidence": reading.evidence,
                "will_be": json_value(after),
            }
        )
    return found


def _usd(deliberation: Deliberation) -> float | None:
    """Dollars of the whole plan; None when the price of a step is not known."""
    steps = deliberation.result.steps
    known = all(deliberation.grounded[step.action].price is not None for step in steps)
    return deliberation.result.usd if known else None


def _estimate(deliberation: Deliberation) -> dict[str, Any]:
    """Low, expected and high, from rates and history; dollars are None where a rate is missing."""
    found = total(deliberation.grounded[step.action] for step in deliberation.result.steps)
    return {
        "seconds": found.seconds._asdict(),
        "usd": None if found.usd is None else found.usd._asdict(),
        "measured_steps": found.measured,
        "error": found.error,
    }


def _ordered(deliberation: Deliberation) -> list[tuple[str, Any]]:
    """Facts in the order the world declares them is the order observing kept; goals come last."""
    wanted = {condition.fact for condition in deliberation.wants}
    readings = list(deliberation.world.readings.items())
    return sorted(readings, key=lambda item: item[0] in wanted)


def _step(deliberation: Deliberation, step: Step) -> dict[str, Any]:
    grounded = deliberation.grounded[step.action]
    return {
        "id": step.id,
        "action": step.action,
        "params": {},
        "stage": step.stage,
        "after": list(step.after),
        "needs": [str(Condition(*pair)) for pair in grounded.needs],
        "effect": [str(Condition(*pair)) for pair in grounded.effect],
        "cost": {"seconds": step.seconds, "usd": step.usd if grounded.priced else None},
        "why": [{"fact": fact, "for": consumer} for fact, consumer in step.why],
    }


def _title(data: dict[str, Any]) -> str:
    shown = ("compute", "preset", "dataset", "steps")
    chosen = [f"{key} {data['params'][key]}" for key in shown if key in data["params"]]
    return paint(f"goal {data['goal']}", bold=True) + (f"   {' · '.join(chosen)}" if chosen else "")


def _fact_lines(data: dict[str, Any]) -> list[str]:
    width = max(len(fact["name"]) for fact in data["facts"])
    lines = []
    for fact in data["facts"]:
        value, after = show_value(fact["value"]), show_value(fact["will_be"])
        if after != value:
            value = f"{value} → {after}"
        sign = paint(fact["sign"], _COLOURS[fact["sign"]], bold=True)
        lines.append(
            f"  {sign} {fact['name']:<{width}}  {value:<14}  {paint(fact['evidence'], dim=True)}"
        )
    return lines


def _step_lines(data: dict[str, Any]) -> list[str]:
    width = max(len(step["id"]) for step in data["steps"])
    lines, stage = [], None
    for step in sorted(data["steps"], key=lambda each: each["stage"]):
        head = f"stage {step['stage'] + 1}" if step["stage"] != stage else ""
        stage = step["stage"]
        cost = "~" + duration(step["cost"]["seconds"])
        usd = "" if step["cost"]["usd"] == 0 else f", {money(step['cost']['usd'])}"
        why = paint("; ".join(_reasons(step["why"])), dim=True)
        lines.append(f"  {head:<8} {step['id']:<{width}}  {cost + usd:<14}  {why}")
    return lines


def _reasons(why: list[dict[str, str]]) -> list[str]:
    consumers: dict[str, list[str]] = {}
    for each in why:
        consumers.setdefault(each["fact"], []).append(each["for"])
    return [f"{fact} for {', '.join(sorted(names))}" for fact, names in sorted(consumers.items())]


def _total_lines(deliberation: Deliberation, data: dict[str, Any], words: str) -> list[str]:
    seconds = {step["id"]: step["cost"]["seconds"] for step in data["steps"]}
    critical = sum(seconds[id_] for id_ in data["critical_path"])
    proof = {
        "optimal": "the cheapest there is, proved",
        "bounded": f"at most {deliberation.result.gap:.1%} above the cheapest",
    }.get(data["status"], data["status"])
    return [
        (
            f"  about {duration(critical)} along {' → '.join(data['critical_path'])}; "
            f"{money(data['usd'])}; {proof}"
        ),
        f"  {_range(data)}",
        f"  digest {data['digest'][:12]}",
        f"  run it: python -m agents run {words}",
    ]


def _range(data: dict[str, Any]) -> str:
    estimate = data["estimate"]
    seconds, usd, error = estimate["seconds"], estimate["usd"], estimate["error"]
    text = f"all steps: {duration(seconds['low'])} to {duration(seconds['high'])}"
    if usd is None:
        text += ", price unknown"
    elif usd["high"]:
        text += f", {money(usd['low'])} to {money(usd['high'])}"
    count = f"{estimate['measured_steps']} of {len(data['steps'])} steps were measured before"
    off = "" if error is None else f", estimates were off by {error:.0%}"
    return f"{text}; {count}{off}"


def _missing_lines(data: dict[str, Any]) -> list[str]:
    if not data["missing"]:
        return [f"No plan: {data['status']}."]
    lines = ["No plan: nothing can make this true:"]
    for each in data["missing"]:
        lines.append(
            f"  {each['fact']} = {show_value(each['value'])}, "
            f"needed by {', '.join(each['needed_by'])}"
        )
        lines.append(f"    seen: {each['evidence']}")
    lines.append(f"  more: python -m agents explain {data['goal']}")
    return lines


def _evidence(deliberation: Deliberation, fact: str) -> str:
    readings = deliberation.world.readings
    return readings[fact].evidence if fact in readings else "never seen"
