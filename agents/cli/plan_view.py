"""A plan as text: a diff of facts, then the steps in stages."""

from collections.abc import Mapping

from agents.cli.output import duration, money, paint
from agents.command import command
from agents.declare.facts import show_value
from agents.schemas.models import PlanData, Reason
from agents.schemas.money import AccountData

__all__ = ["plan_text"]

_COLOURS = {"+": "green", "=": None, "$": "yellow", "?": "cyan", "-": "red"}


def plan_text(data: PlanData, shown: Mapping[str, object], words: str) -> str:
    """The plan for a person.

    Args:
        data: The plan.
        shown: The parameters for the first line.
        words: What they typed, to run it.
    """
    lines = [_title(data, shown), "", *_fact_lines(data)]
    if data.steps:
        lines += ["", *_step_lines(data), "", *_total_lines(data, words)]
    elif data.cost is not None:
        lines += ["", f"Nothing to do: {data.goal} holds."]
    else:
        lines += ["", *_missing_lines(data)]
    return "\n".join(lines)


def _title(data: PlanData, shown: Mapping[str, object]) -> str:
    chosen = " · ".join(f"{key} {value}" for key, value in shown.items())
    return paint(f"goal {data.goal}", bold=True) + (f"   {chosen}" if chosen else "")


def _fact_lines(data: PlanData) -> list[str]:
    width = max(len(fact.name) for fact in data.facts)
    lines = []
    for fact in data.facts:
        value, after = show_value(fact.value), show_value(fact.will_be)
        if after != value:
            value = f"{value} → {after}"
        sign = paint(fact.sign, _COLOURS[fact.sign], bold=True)
        lines.append(
            f"  {sign} {fact.name:<{width}}  {value:<14}  {paint(fact.evidence, dim=True)}"
        )
    return lines


def _step_lines(data: PlanData) -> list[str]:
    width = max(len(step.id) for step in data.steps)
    lines, stage = [], None
    for step in sorted(data.steps, key=lambda each: each.stage):
        head = f"stage {step.stage + 1}" if step.stage != stage else ""
        stage = step.stage
        cost = "~" + duration(step.cost.seconds)
        usd = "" if step.cost.usd == 0 else f", {money(step.cost.usd)}"
        why = paint("; ".join(_reasons(step.why)), dim=True)
        lines.append(f"  {head:<8} {step.id:<{width}}  {cost + usd:<14}  {why}")
    return lines


def _reasons(why: list[Reason]) -> list[str]:
    consumers: dict[str, list[str]] = {}
    for each in why:
        consumers.setdefault(each.fact, []).append(each.for_)
    return [f"{fact} for {', '.join(sorted(names))}" for fact, names in sorted(consumers.items())]


def _total_lines(data: PlanData, words: str) -> list[str]:
    seconds = {step.id: step.cost.seconds for step in data.steps}
    critical = sum(seconds[id_] for id_ in data.critical_path)
    proof = {
        "optimal": "the cheapest there is, proved",
        "bounded": f"at most {_gap(data):.1%} above the cheapest",
    }.get(data.status, data.status)
    return [
        (
            f"  about {duration(critical)} along {' → '.join(data.critical_path)}; "
            f"{money(data.usd)}; {proof}"
        ),
        f"  {_range(data)}",
        *(f"  {_spent(each)}" for each in data.money),
        *_asked_of_a_person(data),
        f"  digest {data.digest[:12]}",
        f"  run it: {command(f'run {words}')}",
    ]


def _asked_of_a_person(data: PlanData) -> list[str]:
    if not data.approval:
        return []
    named = ", ".join(data.approval)
    return [f"  waits for a person before {named}: {command('approve last')} when the run asks"]


def _spent(account: AccountData) -> str:
    """What was spent before on one thing."""
    most = f" (at most {money(account.at_most)})" if account.at_most > account.usd else ""
    parts = [f"spent on {account.account} so far: {money(account.usd)}{most}"]
    if account.reserved:
        parts.append(f"{money(account.reserved)} set aside by a run that nobody saw the end of")
    if account.running:
        parts.append("it costs now")
    return "; ".join(parts)


def _gap(data: PlanData) -> float:
    """How much dearer than the cheapest it may be, as a part of the bound."""
    cost, bound = data.cost or 0.0, data.lower_bound or 0.0
    return (cost - bound) / bound if bound else 0.0


def _range(data: PlanData) -> str:
    estimate = data.estimate
    seconds, usd, error = estimate.seconds, estimate.usd, estimate.error
    text = f"all steps: {duration(seconds.low)} to {duration(seconds.high)}"
    if usd is None:
        text += ", price unknown"
    elif usd.high:
        text += f", {money(usd.low)} to {money(usd.high)}"
    count = f"{estimate.measured_steps} of {len(data.steps)} steps were measured before"
    off = "" if error is None else f", estimates were off by {error:.0%}"
    return f"{text}; {count}{off}"


def _missing_lines(data: PlanData) -> list[str]:
    if not data.missing:
        return [f"No plan: {data.status}."]
    lines = ["No plan: nothing can make this true:"]
    for each in data.missing:
        lines.append(
            f"  {each.fact} = {show_value(each.value)}, needed by {', '.join(each.needed_by)}"
        )
        lines.append(f"    seen: {each.evidence}")
    lines.append(f"  more: {command(f'explain {data.goal}')}")
    return lines
