"""``approve RUN``: a person agrees to the plan a run stopped at."""

import getpass

import click

from agents.cli.output import emit, json_option, money
from agents.cli.words import LEDGER_NAME, dollars, parse_words, state_directory
from agents.command import command
from agents.errors import UsageError
from agents.ledger.events import new_event
from agents.ledger.history import RunHistory, find_run, run_histories
from agents.ledger.payloads import PlanApproved, PlanMade
from agents.ledger.store import Ledger

__all__ = ["approve_command"]

KEYS = ("max_cost", "state")


@click.command("approve")
@click.argument("run", default="last")
@click.argument("words", nargs=-1, metavar="[max_cost=USD] [state=DIR]")
@json_option
def approve_command(run: str, words: tuple[str, ...], as_json: bool) -> None:
    """Agree to the plan that a run stopped at, up to a cap.

    RUN is an id, a unique beginning of one, or last. The approval holds for that very plan, once,
    and for at most max_cost= (by default the cap of the run, or what the plan may cost).
    """
    if "=" in run:
        run, words = "last", (run, *words)
    given = parse_words(words)
    for key in given:
        if key not in KEYS:
            raise UsageError(f"approve takes {', '.join(KEYS)}, not {key}=")
    path = state_directory(given.get("state")) / LEDGER_NAME
    with Ledger(path, readonly=True) as ledger:
        found = find_run(run_histories(ledger.events()), run)
    plan = _plan(found)
    approved = PlanApproved(
        run=found.run,
        digest=plan.digest,
        actions=plan.approval,
        max_cost=_cap(found, plan, dollars(given.get("max_cost"))),
        by=getpass.getuser(),
    )
    with Ledger(path) as ledger:
        ledger.append(new_event(approved, subject=found.run))
    text = (
        f"approved: plan {approved.digest[:12]}, {money(approved.max_cost)} at most, once; "
        "now the same run command again"
    )
    emit("approve", approved.to_json(), lambda: text, json_wanted=as_json)


def _plan(run: RunHistory) -> PlanMade:
    if not run.plans or not run.plans[-1].approval:
        raise UsageError(f"run {run.run} asks for no approval", fix=command(f"show {run.run}"))
    return run.plans[-1]


def _cap(run: RunHistory, plan: PlanMade, given: float | None) -> float:
    cap = run.max_cost if given is None else given
    if cap is not None:
        return cap
    if plan.usd_range is None:
        raise UsageError("the price of the plan is unknown: say the most", fix="max_cost=5")
    return plan.usd_range[-1]
