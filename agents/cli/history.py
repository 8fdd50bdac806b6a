"""``runs`` and ``show``: what was done, read from the ledger."""

from collections.abc import Iterator
from pathlib import Path

import click
from pydantic import NonNegativeInt

from agents import api
from agents.cli.diff_view import diff_text
from agents.cli.live import describe
from agents.cli.options import takes
from agents.cli.output import duration, emit, json_option, money, paint
from agents.cli.report import report_html
from agents.command import command
from agents.declare.words import word
from agents.errors import UsageError
from agents.ledger.comparison import compare_runs
from agents.ledger.events import Event
from agents.ledger.history import RunHistory
from agents.ledger.payloads import FactsObserved, StepFailed
from agents.run.options import RunOptions, StateOptions
from agents.schemas.brief import MOST_BYTES, brief, shortened
from agents.schemas.models import RunRow

__all__ = ["report_command", "runs_command", "show_command"]

_MARKS = {"done": "✓", "nothing to do": "=", "running": "…"}


class RunsOptions(StateOptions):
    """Which runs."""

    goal: str = word("G", "")
    status: str = word("S", "")
    since: str = word("TIME", "")
    limit: NonNegativeInt = word("N", 50)


class ReportOptions(RunOptions):
    """Which run, where its files are, and where the report goes."""

    out: Path | None = word("FILE", None)
    volume: Path | None = word("DIR", None)


@click.command("runs")
@click.argument("words", nargs=-1, metavar="[goal=G] [status=S] [since=TIME] [limit=N] | diff A B")
@json_option
def runs_command(words: tuple[str, ...], as_json: bool) -> None:
    """The runs so far, newest first.

    since= takes a date (2026-02-28) or a time ago (6h, 2d), limit= how many (0: all). diff A B
    compares two runs, named as show does: an id, a unique beginning of one, last, or last~1 for the
    one before.
    """
    if words[:1] == ("diff",):
        _diff(words[1:], as_json)
        return
    options = RunsOptions.read(words, "runs")
    asked = options.model_dump(include={"goal", "status", "since", "limit"})
    rows = api.runs(options.state, **asked)
    emit("runs", rows, lambda: _table(rows, options), json_wanted=as_json)


def _diff(words: tuple[str, ...], as_json: bool) -> None:
    names = [word for word in words if "=" not in word]
    options = StateOptions.read([word for word in words if "=" in word], "runs diff")
    if len(names) != 2:
        raise UsageError("diff compares two runs", fix=command("runs diff last~1 last"))
    data = compare_runs(*(api.history(options.state, name) for name in names))
    emit("runs", data, lambda: diff_text(data), json_wanted=as_json)


@click.command("show")
@takes(RunOptions)
@click.option("--events", is_flag=True, help="All of it: every event, plan, value and file.")
@click.option("--debug", is_flag=True, help="With it, the tracebacks of what was raised.")
@json_option
def show_command(options: RunOptions, events: bool, debug: bool, as_json: bool) -> None:
    """One run: its plans, steps, failures and end.

    RUN is an id, a unique beginning of one, or last. What does not fit into 4 kB is left out, the
    oldest first, and counted; with --events nothing is, and --debug has the tracebacks too.
    """
    history = api.history(options.state, options.run)
    if events or debug:
        tracebacks = [*_tracebacks(history)] if debug else []

        def text() -> str:
            return "\n\n".join([_story(history), *tracebacks])

        emit("show", api.shown(history), text, json_wanted=as_json)
    else:
        emit("show", brief(history), lambda: _newest(history), json_wanted=as_json)


@click.command("report")
@takes(ReportOptions)
@json_option
def report_command(options: ReportOptions, as_json: bool) -> None:
    """One run as one HTML file, with pictures and curves.

    RUN is an id, a unique beginning of one, or last. Default of out=: <state>/reports/RUN.html.
    """
    history = api.history(options.state, options.run)
    out = options.out or options.state / "reports" / f"{history.run}.html"
    roots = [options.volume or options.state / "volume"]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(report_html(history, roots), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}", fix="out=FILE") from error
    emit("report", {"path": str(out)}, lambda: str(out), json_wanted=as_json)


def _table(rows: list[RunRow], options: RunsOptions) -> str:
    if not rows:
        if api.runs(options.state, limit=1):
            return f"no run is like that: {command('runs')}"
        return f"no runs yet; start one: {command('run goal=GOAL')}"
    lines = []
    for row in rows:
        mark = _MARKS.get(row.status, "✗")
        end = f"exit {row.exit_code}" if row.exit_code else ""
        counts = f"{row.steps} steps, {row.plans} plans"
        failed = f", {row.failures} failed" if row.failures else ""
        lines.append(f"{mark} {row.run}  {row.goal:<20} {row.status:<15} {counts}{failed}  {end}")
    if len(rows) == options.limit:
        lines.append(f"these are the newest {len(rows)}; all: {command('runs limit=0')}")
    return "\n".join(line.rstrip() for line in lines)


def _story(run: RunHistory) -> str:
    words = " ".join(
        f"{key}={value}" for key, value in run.told.items() if value not in (None, "", False)
    )
    lines = [paint(f"run {run.run}", bold=True) + f"   goal={run.goal} {words}".rstrip(), ""]
    lines += [line for event in run.events if (line := _line(event))]
    lines += ["", *_evidence(run)]
    return "\n".join([*lines, _end(run)])


def _tracebacks(run: RunHistory) -> Iterator[str]:
    """Where the exceptions of a run came from, in the order in which they were raised."""
    for event in run.events:
        match event.payload:
            case StepFailed(step=step, traceback=text) if text:
                yield f"{event.time[11:19]}  the step {step} raised\n{text.rstrip()}"
            case FactsObserved(tracebacks=raised):
                for fact, text in raised.items():
                    yield f"{event.time[11:19]}  the sensor of {fact} raised\n{text.rstrip()}"


def _end(run: RunHistory) -> str:
    exit_code = "" if run.exit_code is None else f" (exit {run.exit_code})"
    return f"ended: {run.status}{exit_code}" + (f": {run.message}" if run.message else "")


def _newest(run: RunHistory) -> str:
    """The story as far as it fits: how it began, and the newest of it."""
    story = _story(run)
    if len(story.encode("utf-8", "replace")) <= MOST_BYTES:
        return story
    texts = (line for event in run.events if (line := _line(event)))
    lines = [*texts, "", *_evidence(run), _end(run)]
    head, *lines = [shortened(line, 300) for line in [story.partition("\n")[0], *lines]]
    room = MOST_BYTES - 200 - len(head.encode("utf-8", "replace"))
    kept: list[str] = []
    while lines and (room := room - len(lines[-1].encode("utf-8", "replace")) - 1) >= 0:
        kept.append(lines.pop())
    left_out = f"… {len(lines)} lines are left out: {command(f'show {run.run} --events')}"
    return "\n".join([head, left_out, *reversed(kept)])


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
    return [*lines, *_money_lines(run)]


def _money_lines(run: RunHistory) -> list[str]:
    said = run.money
    lines = [f"  spent: {money(said['usd'])}"] if said["usd"] else []
    if said["reserved"]:
        lines.append(f"  set aside and not booked: {money(said['reserved'])}")
    lines += [f"  {action} went on and costs: booked by the next run" for action in said["running"]]
    lines += [f"  {action} costs money, its price is unknown" for action in said["unknown"]]
    return lines


def _off(run: RunHistory) -> str:
    estimate = run.estimate
    if estimate is None:
        return ""
    expected = duration(estimate["expected_seconds"])
    return f"; expected {expected}, off by {estimate['error']:+.0%}"
