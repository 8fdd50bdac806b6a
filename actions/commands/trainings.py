"""``trainings``: all trainings of a volume, with how far they are and what they cost."""

from datetime import UTC, datetime
from typing import Any, Literal

from actions.ports import Ports, connect, translated
from agents.command import command
from agents.declare.commands import Answer, Command, Terminal
from agents.declare.words import word
from agents.run.options import StateOptions
from goals.placed import PlacedParameters
from training.errors import AuthenticationError, TrainingError, Unreachable
from training.runner.account import Use, dollars_of, total_seconds, uses_of
from training.runner.ending import Ending
from training.store.directory import TrainingDirectory, trainings

__all__ = ["TRAININGS"]


class TrainingsOptions(StateOptions):
    """Where the trainings are."""

    volume: str | None = word("DIR|NAME", None)
    compute: Literal["local", "modal", "loopback"] = word("WHERE", "local")


def _trainings(options: TrainingsOptions, terminal: Terminal) -> Answer:
    place = {"compute": options.compute, "volume": options.volume}
    ports = connect(PlacedParameters.model_validate(place), options.state)
    with translated():
        ports.compute.auth_seen()  # says at once that there are no credentials
        rows = [_row(ports, each) for each in trainings(ports.volume)]
    rows.sort(key=lambda row: (row["started"] or "", row["training"]), reverse=True)
    if not rows:
        terminal.say(f"no training on {ports.volume.name}; {command('run goal=G')} begins one")
    data = {"volume": ports.volume.name, "compute": options.compute, "trainings": rows}
    return Answer(data, _text(rows))


def _row(ports: Ports, directory: TrainingDirectory) -> dict[str, Any]:
    """One training; what cannot be read is said in its row, and hides no other one.

    Raises:
        Unreachable: Nobody answers.
        AuthenticationError: Or not to us.
    """
    row: dict[str, Any] = {"training": directory.key, "name": "", "state": "damaged"}
    row |= dict.fromkeys(("step", "target", "started", "seconds", "usd"))
    row |= {"device": "", "said": ""}
    try:
        with ports.volume.look():
            return {**row, **_seen(ports, directory)}
    except (Unreachable, AuthenticationError):
        raise
    except TrainingError as error:
        return {**row, "said": error.message}


def _seen(ports: Ports, directory: TrainingDirectory) -> dict[str, Any]:
    directory.volume.listdir(directory.name)  # what is not there is not asked for one by one
    order, ending = directory.read_order(), directory.read_ending()
    uses = uses_of(directory.read(directory.account_name) or b"")
    seen: dict[str, Any] = {"name": "" if order is None else order.name}
    if ending is not None and ending.status == "completed":
        # nobody has to be asked whether it runs
        seen |= {"state": ending.status, "step": ending.step, "target": ending.target_step}
    else:
        status = ports.compute.status(directory.key)
        seen |= {"state": status.state, "step": status.step, "target": status.target}
        seen["said"] = status.said
    return seen | _account(uses, ending)


def _account(uses: list[Use], ending: Ending | None) -> dict[str, Any]:
    """What its hardware wrote down; of a training of an earlier version, what its end says."""
    if not uses:
        told = {} if ending is None else {"started": ending.started, "seconds": ending.seconds}
        return {**told, "device": "" if ending is None else ending.device}
    dollars = dollars_of(uses)
    began = datetime.fromtimestamp(uses[0].began, UTC)
    names = ("low", "expected", "high")
    return {
        "device": uses[-1].device or uses[-1].gpu,
        "started": began.isoformat(timespec="milliseconds"),
        "seconds": round(total_seconds(uses), 1),
        "usd": None if dollars is None else dict(zip(names, dollars, strict=True)),
    }


def _text(rows: list[dict[str, Any]]) -> str:
    return "\n".join(_line(row) for row in rows)


def _line(row: dict[str, Any]) -> str:
    target = "" if row["target"] is None else f"/{row['target']:,}"
    step = "" if row["step"] is None else f"step {row['step']:,}{target}"
    usd = "" if row["usd"] is None else f"${row['usd']['expected']:.2f}"
    words = (row["training"], row["name"], row["state"], step, usd, row["device"])
    return "  ".join(word for word in (*words, row["started"] or "", row["said"]) if word)


TRAININGS = Command(
    "trainings",
    "All trainings of a volume: how far they are, on what, for how much.",
    TrainingsOptions,
    _trainings,
    "The newest first. What one cost is what its hardware wrote down itself, whoever launched it.",
)
