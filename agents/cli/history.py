"""``runs`` and ``show``: what was done, read from the ledger."""

from pathlib import Path

import click

from agents import api
from agents.cli.diff_view import diff_text
from agents.cli.live import describe
from agents.cli.output import duration, emit, json_option, money, paint
from agents.cli.report import report_html
from agents.cli.words import known_words, state_directory
from agents.command import command
from agents.errors import UsageError
from agents.ledger.comparison import compare_runs
from agents.ledger.events import Event
from agents.ledger.history import RunHistory, find_run
from agents.schemas.models import RunRow

__all__ = ["report_command", "runs_command", "show_command"]

_MARKS = {"done": "✓", "nothing to do": "=", "running": "…"}
FILTERS = ("goal", "status", "since", "state")


@click.command("runs")
@click.argument("words", nargs=-1, metavar="[goal=G] [status=S] [since=TIME] | diff A B")
@json_option
def runs_command(words: tuple[str, ...], as_json: bool) -> None:
    """The runs so far, newest first.

    since= takes a date (2026-02-28) or a time ago (6h, 2d). diff A B compares two runs, named as
    show does: an id, a unique beginning of one, last, or last~1 for the one before.
    """
    if words[:1] == ("diff",):
        _diff(words[1:], as_json)
        return
    wanted = known_words(words, FILTERS)
    state = state_directory(wanted.pop("state", None))
    rows = api.runs(state, **wanted)
    emit("runs", rows, lambda: _table(rows, state), json_wanted=as_json)


def _diff(words: tuple[str, ...], as_json: bool) -> None:
    names = [word for word in words if "=" not in word]
    given = known_words([word for word in words if "=" in word], ("state",))
    if len(names) != 2:
        raise UsageError("diff compares two runs", fix=command("runs diff last~1 last"))
    known = api.histories(state_directory(given.get("state")))
    data = compare_runs(*(find_run(known, name) for name in names))
    emit("runs", data, lambda: diff_text(data), json_wanted=as_json)


@click.command("show")
@click.argument("run", default="last")
@click.argument("words", nargs=-1, metavar="[state=DIR]")
@json_option
def show_command(run: str, words: tuple[str, ...], as_json: bool) -> None:
    """One run: its plans, steps, failures and end.

    RUN is an id, a unique beginning of one, or last.
    """
    if "=" in run:
        run, words = "last", (run, *words)
    state = state_directory(known_words(words, ("state",)).get("state"))
    history = api.history(state, run)
    emit("show", api.shown(history), lambda: _story(history), json_wanted=as_json)


@click.command("report")
@click.argument("run", default="last")
@click.argument("words", nargs=-1, metavar="[out=FILE] [volume=DIR] [state=DIR]")
@json_option
def report_command(run: str, words: tuple[str, ...], as_json: bool) -> None:
    """One run as one HTML file, with pictures and curves.

    RUN is an id, a unique beginning of one, or last. Default of out=: <state>/reports/RUN.html.
    """
    if "=" in run:
        run, words = "last", (run, *words)
    given = known_words(words, ("out", "volume", "state"))
    state = state_directory(given.get("state"))
    history = api.history(state, run)
    out = Path(given.get("out") or state / "reports" / f"{history.run}.html")
    roots = [Path(given.get("volume") or state / "volume")]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(report_html(history, roots), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}", fix="out=FILE") from error
    emit("report", {"path": str(out)}, lambda: str(out), json_wanted=as_json)


def _table(rows: list[RunRow], state: Path) -> str:
    if not rows:
        known = len(api.histories(state))
        if known:
            return f"none of {known} runs is like that: {command('runs')}"
        return f"no runs yet; start one: {command('run goal=GOAL')}"
    lines = []
    for row in rows:
        mark = _MARKS.get(row.status, "✗")
        end = f"exit {row.exit_code}" if row.exit_code else ""
        counts = f"{row.steps} steps, {row.plans} plans"
        failed = f", {row.failures} failed" if row.failures else ""
        lines.append(f"{mark} {row.run}  {row.goal:<20} {row.status:<15} {counts}{failed}  {end}")
    return "\n".join(line.rstrip() for line in lines)


def _story(run: RunHistory) -> str:
    given = " ".join(
        f"{key}={value}" for key, value in run.told.items() if value not in (None, "", False)
    )
    lines = [paint(f"run {run.run}", bold=True) + f"   goal={run.goal} {given}".rstrip(), ""]
    lines += [line for event in run.events if (line := _line(event))]
    lines += ["", *_evidence(run)]
    exit_code = "" if run.exit_code is None else f" (exit {run.exit_code})"
    lines.append(f"ended: {run.status}{exit_code}" + (f": {run.message}" if run.message else ""))
    return "\n".join(lines)


def _line(event: Event) -> str | None:
    text = describe(event)
    return f"{event.time[11:19]}  {text}" if text else None


def _evidence(run: RunHistory) -> list[str]:
    lines = []
    for step in run.steps:
        for gate in step.get("gates", ()):
            verdict = "passed" if gate["passed"] else "FAILED"
            lines.append(
                f"  gate {gate['name']}: {gate['metric']} {gate['value']:.4g} "
                f"(must be {gate['direction']} {gate['threshold']:.4g}) {verdict}"
            )
        lines += [f"  file {each['name']}: {each['path']}" for each in step.get("artifacts", ())]
    took = [step["seconds"] for step in run.steps if step["seconds"] is not None]
    if took:
        lines.append(f"  time in steps: {duration(sum(took))}{_off(run)}")
    if run.spent:
        lines.append(f"  spent: {money(run.spent)}")
    return lines


def _off(run: RunHistory) -> str:
    estimate = run.estimate
    if estimate is None:
        return ""
    expected = duration(estimate["expected_seconds"])
    return f"; expected {expected}, off by {estimate['error']:+.0%}"
