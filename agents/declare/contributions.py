"""What a catalogue adds to commands that are not about its goals.

The engine checks documents, looks at the set-up and writes records without knowing what anybody's
actions are about. What it has to know of that is said here, by the catalogue.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from agents.declare.commands import Command

__all__ = ["NOTHING", "Check", "Contributions", "Program", "Subject"]


class Program(Protocol):
    """Judges the words after a program's name, for ``docs check``."""

    def check(self, words: Sequence[str], *, complete: bool) -> Iterator[str]:
        """What is wrong, each as one sentence; nothing when all is right."""


class Check(NamedTuple):
    """One thing that ``doctor`` looked at.

    Attributes:
        check: What was looked at.
        ok: Whether it is as it should be.
        found: What was seen.
        fix: What to do when it is not.
        needed: Whether nothing works without it.
        exit_code: Of ``doctor``, when it is needed and not there.
    """

    check: str
    ok: bool
    found: str
    fix: str = ""
    needed: bool = True
    exit_code: int = 1


@dataclass(frozen=True)
class Subject:
    """What outcomes measure, where several outcomes may be about one and the same thing.

    A record of a run has a part for each such thing. The names are those under which an outcome's
    provenance holds them.

    Attributes:
        word: What a person calls such a thing; also what a note calls the one it is about.
        key: Its identity. Where the name is empty, outcomes are about nothing but themselves.
        required: What must be known of one that was measured; a record never guesses.
        comparable: What two must have in common before their measurements are compared.
        ended: When measuring it ended: one that is measured anew is a new one.
        call: What a note calls the launch of one on a platform.
        recorders: Actions that write the records; what they do is never evidence.
        places: Parameters that say where records are written, not what was done.
    """

    word: str = ""
    key: str = ""
    required: tuple[str, ...] = ()
    comparable: str = ""
    ended: str = ""
    call: str = ""
    recorders: tuple[str, ...] = ()
    places: tuple[str, ...] = ()

    def identity(self, provenance: Mapping[str, str]) -> str:
        """Which one it is about, after its provenance; empty when it is about none."""
        return provenance.get(self.key, "") if self.key else ""

    def measured(self, provenance: Mapping[str, str]) -> bool:
        """Whether one was measured, rather than handled after it had been."""
        return bool(self.identity(provenance)) and any(provenance.get(n) for n in self.required)


NOTHING = Subject()
"""Outcomes are about nothing but themselves: there are decisions and learnings to record."""


class Contributions:
    """Adds nothing; a catalogue subclasses it and overrides what it has to say.

    Attributes:
        packages: Distributions that `doctor` expects beside those of the engine.
        quoted: Packages whose names a page may quote in a folder that declares no dependencies.
        familiar: Package → what everybody calls an object of one of its classes. Pages name the
            classes of such a package without the package.
        subject: What outcomes measure.
        public: Package → its names that a job imports, for the page of reference; none given:
            all that its ``__all__`` lists.
    """

    packages: tuple[str, ...] = ()
    quoted: tuple[str, ...] = ()
    familiar: Mapping[str, Mapping[str, str]] = {}
    subject: Subject = NOTHING
    public: Mapping[str, Sequence[str]] = {}

    def programs(self, root: Path) -> Mapping[str, Program]:  # noqa: ARG002 - for those that override
        """How a program is called, such as ``python -m bakery`` → its judge.

        Args:
            root: The project whose pages quote it.
        """
        return {}

    def checks(self) -> Iterable[Check]:
        """What ``doctor`` looks at besides."""
        return ()

    def commands(self) -> Iterable[Command]:
        """Commands besides those of the program.

        ``--help`` lists those of the program alone: to list these it would have to import the
        job, and wait for what that imports. A word that is no command of the program is looked
        for here, and when there is none, the error lists these.
        """
        return ()
