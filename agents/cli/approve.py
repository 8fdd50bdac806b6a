"""``approve RUN``: a person agrees to the plan a run stopped at."""

import getpass

import click

from agents.cli.output import emit, json_option, money
from agents.cli.words import LEDGER_NAME, dollars, parse_words, state_directory
from agents.errors import UsageError
from agents.ledger.events import new_event
from agents.ledger.history import RunHistory, find_run, run_histories
from agents.ledger.store import Ledger
from agents.run.approval import APPROVED

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
    data = {
        "run": found.run,
        "digest": _digest(found),
        "max_cost": _cap(found, dollars(given.get("max_cost"))),
        "by": getpass.getuser(),
    }
    with Ledger(path) as ledger:
        ledger.append(new_event(APPROVED, data, subject=found.run))
    text = (
        f"approved: plan {str(data['digest'])[:12]}, {money(float(str(data['max_cost'])))} at "
        "most, once; now the same run command again"
    )
    emit("approve", data, lambda: text, json_wanted=as_json)


def _digest(run: RunHistory) -> str:
    if not run.plans or not run.plans[-1].get("approval"):
        raise UsageError(
            f"run {run.run} asks for no approval", fix=f"python -m agents show {run.run}"
        )
    return str(run.plans[-1]["digest"])


def _cap(run: RunHistory, given: float | None) -> float:
    cap = run.max_cost if given is None else given
    if cap is not None:
        return cap
    prices = run.plans[-1].get("usd_range")
    if prices is None:
        raise UsageError("the price of the plan is unknown: say the most", fix="max_cost=5")
    return float(prices[-1])
