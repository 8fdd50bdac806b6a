"""The names that a declared training gives to its facts and actions, and what it comes after."""

from collections.abc import Iterable
from dataclasses import dataclass

from agents.declare.facts import Condition, Fact, Facts
from agents.errors import UsageError
from training.declare.training import Training
from training.runner.bucket import Bucket

__all__ = ["FACTS", "Names", "Part", "after_of", "all_of", "chain_of", "links_of", "prepares"]

FACTS = {
    "trained": "{it} reached its end and passed its gates",
    "image": "what {it} requires is there, and proven",
    "data": "the data of {it} is on the volume, by its digest",
    "committed": "what {it} made is durable, hashes verified by reading again",
    "pruned": "{it} has no more checkpoints than its policy keeps",
    "fits": "no attempt of {it} since the last change ran out of memory",
    "finite": "no attempt of {it} since the last change diverged",
    "sound": "the loss of {it} did not collapse",
}
"""Fact → its description; each is called after its training."""


@dataclass(frozen=True)
class Names:
    """What is called after one training."""

    training: str

    def fact(self, kind: str) -> str:
        """The fact of a kind of `FACTS`."""
        return f"{self.training}_{kind}"

    def described(self, kind: str) -> str:
        """What that fact says."""
        return FACTS[kind].format(it=self.training)

    def action(self, verb: str, what: str = "") -> str:
        """The action that does something to it: ``train_…``, ``halve_…_micro_batch``."""
        return "_".join(filter(None, (verb, self.training, what)))


@dataclass(frozen=True)
class Part:
    """One thing that is seen or done of a declared training.

    Attributes:
        training: The declaration.
        facts: The facts of the catalogue.
    """

    training: Training
    facts: Facts

    def fact(self, kind: str) -> Fact:
        """The fact of the training that is of a kind of `FACTS`."""
        return self.facts[Names(self.training.name).fact(kind)]

    def holds(self, kind: str) -> Condition:
        """That this fact is true."""
        return self.fact(kind) == True  # noqa: E712 - builds a condition


def prepares(training: Training) -> bool:
    """Whether its data is brought to the volume: not made there by another, nor in a bucket."""
    return training.data is not None and not isinstance(training.data, Training | Bucket)


def after_of(training: Training) -> tuple[str, ...]:
    """The facts of other trainings that it waits for: trained to begin with, durable to be read."""
    names = []
    if training.init is not None:
        names.append(Names(training.init.name).fact("trained"))
    if isinstance(training.data, Training):
        names.append(Names(training.data.name).fact("committed"))
    return tuple(names)


def links_of(training: Training) -> tuple[Training, ...]:
    """The trainings that one begins with or reads from, each once."""
    links = [each for each in (training.init, training.data) if isinstance(each, Training)]
    return tuple(links[:1] if len(links) == 2 and links[0] is links[1] else links)


def chain_of(training: Training) -> tuple[Training, ...]:
    """All that a training comes after, in the order they are trained, and itself last."""
    found: list[Training] = []
    for each in (*(link for one in links_of(training) for link in chain_of(one)), training):
        if not any(each is known for known in found):
            found.append(each)
    return tuple(found)


def all_of(trainings: Iterable[Training]) -> tuple[Training, ...]:
    """The trainings and all they come after, each once.

    Raises:
        UsageError: Two of them have one name.
    """
    found: list[Training] = []
    for each in (link for training in trainings for link in chain_of(training)):
        same = next((known for known in found if known.name == each.name), None)
        if same is None:
            found.append(each)
        elif same is not each:
            raise UsageError(
                f"two trainings are called {each.name!r}: at {same.where} and at {each.where}",
                fix="give one of them another name",
            )
    return tuple(found)
