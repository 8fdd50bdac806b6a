"""Which training a command is about: a run's, or one by its key; and how it is reached."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from actions.ports import Ports, connect, translated
from agents.command import command
from agents.declare.words import word
from agents.errors import UsageError
from agents.ledger.events import Event, of_kind
from agents.ledger.history import find_history
from agents.ledger.past import Past
from agents.ledger.payloads import RunStarted, StepFinished, StepNoted
from agents.ledger.projections.places import things
from agents.run.options import StateOptions
from goals.placed import PlacedParameters
from training.store.directory import TrainingDirectory, trainings

__all__ = ["TrainingOptions", "Which", "find"]

_KEY = re.compile(r"[0-9a-f]{16}")
_NAMES = ("training", "training_key")
"""What notes and outcomes call the key of the training that they are about."""

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
    past = options.events()
    if _KEY.fullmatch(options.which):
        return _there(options, options.which, _params_of(past, options.which))
    try:
        run = find_history(past, options.which)
    except UsageError as error:
        key = _begins(options, past, error)
        return _there(options, key, _params_of(past, key))
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


def _params_of(past: Past, key: str) -> Mapping[str, Any]:
    """Those of the newest run that had to do with a training; nothing where none did."""
    newest = next(reversed(past.of(about=[(name, key) for name in _NAMES])), None)
    begun = past.of(run=newest.run) if newest is not None else ()
    return next((began.params for _, began in of_kind(begun, RunStarted)), {})


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


def _begins(options: TrainingOptions, past: Past, otherwise: UsageError) -> str:
    """The one training whose key begins so.

    Raises:
        UsageError: There is none, or more than one.
    """
    if len(options.which) < SHORTEST or not set(options.which) <= set("0123456789abcdef"):
        raise otherwise
    known = set(things(past.ledger, _NAMES, options.which))
    if not known:
        with translated():
            known |= {each.key for each in trainings(_ports(options, {}).volume)}
    keys = sorted(key for key in known if key.startswith(options.which))
    if len(keys) == 1:
        return keys[0]
    if keys:
        raise UsageError(f"{options.which!r} could be {', '.join(keys)}")
    raise UsageError(f"no run and no training is called {options.which!r}", fix=command("runs"))
