"""What the pictures of a plan say about its steps and edges."""

from agents.planning.result import PlanResult, Reason, Step, plain

__all__ = ["condition_text", "cost_text", "edge_text", "last_steps", "supplies"]


def last_steps(result: PlanResult) -> list[tuple[Step, str]]:
    """The steps that supply the goal, with the facts they supply."""
    suppliers = []
    for step in result.steps:
        facts = [fact for fact, consumer in step.why if consumer == "goal"]
        if facts:
            suppliers.append((step, ", ".join(dict.fromkeys(facts))))
    return suppliers


def supplies(reasons: tuple[Reason, ...]) -> bool:
    """Whether an edge carries a fact, or merely keeps an order."""
    return any(reason.kind == "causal" for reason in reasons)


def edge_text(reasons: tuple[Reason, ...]) -> str:
    """The facts an edge is there for; those supplied hide those merely protected."""
    shown = [r for r in reasons if r.kind == "causal"] or list(reasons)
    return ", ".join(dict.fromkeys(condition_text(r.fact, r.value) for r in shown))


def condition_text(fact: str, value: object) -> str:
    """A condition in few words.

    >>> condition_text("paid", True), condition_text("paid", False), condition_text("gb", 5)
    ('paid', 'not paid', 'gb = 5')
    """
    if value is True:
        return fact
    if value is False:
        return f"not {fact}"
    text = str(plain(value))
    return f"{fact} {text}" if text.startswith((">= ", "< ")) else f"{fact} = {text}"


def cost_text(step: Step) -> str:
    """What a step costs: time, then money if any, then the cost if it says something else."""
    parts = [_duration(step.seconds)]
    if step.usd:
        parts.append(f"${step.usd:.2f}")
    if step.cost != step.seconds:
        parts.append(f"cost {step.cost:g}")
    return " · ".join(parts)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:g} s"
    if seconds < 7200:
        return f"{seconds / 60:.3g} min"
    return f"{seconds / 3600:.3g} h"
