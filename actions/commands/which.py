"""Which training a command is about: a run's, or one by its key; and how it is reached."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from actions.ports import Ports, connect, translated
from agents.command import command
from agents.declare.words import word
from agents.errors import UsageError
from agents.ledger.events import Event
from agents.ledger.history import RunHistory, find_run, run_histories
from agents.ledger.payloads import StepFinished, StepNoted
from agents.run.options import StateOptions
from goals.placed import PlacedParameters
from training.store.directory import TrainingDirectory, trainings

__all__ = ["TrainingOptions", "Which", "find"]

_KEY = re.compile(r"[0-9a-f]{16}")
SHORTEST = 4
"""Fewer characters of a key are too likely to mean another one."""


class TrainingOptions(StateOptions):
    """Which training, and where it is; a run's own volume and compute are known."""

    bare = "which"
    which: str = word("RUN|KEY", "last")
    volume: str | None = word("DIR|NAME", None)
    compute: Literal["local", "modal", "loopback"] | None = word("WHERE", None, example="local")


@dataclass(frozen=True)
class Which:
    """One training, and how it is reached.

    Attributes:
        others: Trainings of the same run, which the command is not about.
    """

    directory: TrainingDirectory
    ports: Ports
    others: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The training key."""
        return self.directory.key

    def said(self) -> str:
        """The training and its run's others, for the person watching."""
        more = f"; the run has others: {', '.join(self.others)}" if self.others else ""
        return f"training {self.key} on {self.directory.volume.name}{more}"


def find(options: TrainingOptions) -> Which:
    """The training that is meant.

    Raises:
        UsageError: No run, no training or several are called so, or the run launched none.
        Unauthenticated: The volume is elsewhere and does not accept us.
    """
    runs = run_histories(options.events())
    if _KEY.fullmatch(options.which):
        return _there(options, options.which, _params_of(runs, options.which))
    try:
        run = find_run(runs, options.which)
    except UsageError as error:
        key = _begins(options, runs, error)
        return _there(options, key, _params_of(runs, key))
    keys = _keys(run.events)
    if not keys:
        raise UsageError(
            f"run {run.run} launched no training, or not yet",
            fix=command(f"show {run.run}") + " says what it did",
        )
    return _there(options, keys[-1], run.params, others=tuple(keys[:-1]))


def _there(
    options: TrainingOptions, key: str, params: Mapping[str, Any], others: tuple[str, ...] = ()
) -> Which:
    ports = _ports(options, params)
    directory = TrainingDirectory(ports.volume, key)
    with translated():
        ports.compute.auth_seen()  # says at once that there are no credentials
        if not ports.volume.exists(directory.name):
            there = [each.key for each in trainings(ports.volume)]
            raise UsageError(
                f"there is no training {key} on {ports.volume.name}",
                fix=f"volume=WHERE; there are {', '.join(there) or 'none'}",
            )
    return Which(directory, ports, others)


def _ports(options: TrainingOptions, params: Mapping[str, Any]) -> Ports:
    """Where it was said to be, else where its run said, else where one is by default."""
    place = {
        "compute": options.compute or params.get("compute") or "local",
        "volume": options.volume or params.get("volume"),
    }
    return connect(PlacedParameters.model_validate(place), options.state)


def _params_of(runs: Iterable[RunHistory], key: str) -> Mapping[str, Any]:
    """Those of the newest run that launched a training; nothing where none did."""
    return next((run.params for run in runs if key in _keys(run.events)), {})


def _keys(events: Iterable[Event]) -> list[str]:
    """The trainings that events are about, in the order in which they were begun."""
    keys: dict[str, None] = {}
    for event in events:
        match event.payload:
            case StepNoted(about={"training": str() as key}):
                keys[key] = None
            case StepFinished(outcome=outcome) if made := outcome.provenance.get("training_key"):
                keys[made] = None
    return list(keys)


def _begins(options: TrainingOptions, runs: Iterable[RunHistory], otherwise: UsageError) -> str:
    """The one training whose key begins so.

    Raises:
        UsageError: There is none, or more than one.
    """
    if len(options.which) < SHORTEST or not set(options.which) <= set("0123456789abcdef"):
        raise otherwise
    known = {key for run in runs for key in _keys(run.events)}
    if not any(key.startswith(options.which) for key in known):
        with translated():
            known |= {each.key for each in trainings(_ports(options, {}).volume)}
    keys = sorted(key for key in known if key.startswith(options.which))
    if len(keys) == 1:
        return keys[0]
    if keys:
        raise UsageError(f"{options.which!r} could be {', '.join(keys)}")
    raise UsageError(f"no run and no training is called {options.which!r}", fix=command("runs"))
