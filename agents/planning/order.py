"""From a sequence of actions to the partial order it needs: which step really waits for which.

Every need of a step is linked to the step, or to the start, that supplies it. A step that would
undo a linked fact is put before the supplier or behind the consumer, whichever side it is on
already. With every link kept safe, every linear order of the result is a valid plan.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from agents.planning.task import Task, bits

__all__ = ["PartialOrder", "partial_order"]

GOAL = -1


@dataclass(frozen=True, slots=True)
class PartialOrder:
    """The order among the steps of a plan, by their position in the sequence.

    Attributes:
        links: (supplier, consumer) to the atoms supplied; the consumer `GOAL` is the goal.
        threats: (earlier, later) to the atoms protected that way; none follows from the rest.
        stage: For each step the length of the longest chain before it.
    """

    links: dict[tuple[int, int], list[int]]
    threats: dict[tuple[int, int], list[int]]
    stage: list[int]


def partial_order(task: Task, sequence: Sequence[int]) -> PartialOrder:
    """The steps of a valid sequence with no more order than they need."""
    builder = _Builder(task)
    for position, op in enumerate(sequence):
        builder.step(position, task.pre[op], task.add[op], task.delete[op])
    builder.step(GOAL, task.goal, 0, 0)
    return _reduced(len(sequence), builder.links, builder.threats)


class _Builder:
    """Walks the sequence and keeps, per atom, who supplied it, who relies on it, who undid it."""

    def __init__(self, task: Task) -> None:
        self.source: dict[int, int] = {}
        self.start = task.start
        self.relying: dict[int, list[int]] = {}
        self.undone: dict[int, list[int]] = {}
        self.links: dict[tuple[int, int], list[int]] = {}
        self.threats: dict[tuple[int, int], list[int]] = {}

    def step(self, position: int, pre: int, add: int, delete: int) -> None:
        for atom in bits(pre):
            supplier = self.source.get(atom)
            if supplier is None:  # true from the start and never undone
                self.relying.setdefault(atom, []).append(position)
                continue
            self.links.setdefault((supplier, position), []).append(atom)
            self.relying.setdefault(atom, []).append(position)
            for undoer in self.undone.get(atom, ()):
                if undoer != supplier:
                    self._threat(undoer, supplier, atom)
        for atom in bits(delete):
            for consumer in self.relying.get(atom, ()):
                if consumer != position:
                    self._threat(consumer, position, atom)
            self.undone.setdefault(atom, []).append(position)
            self.source.pop(atom, None)
            self.start &= ~(1 << atom)
        for atom in bits(add):
            if atom not in self.source and not self.start >> atom & 1:
                self.source[atom] = position

    def _threat(self, before: int, after: int, atom: int) -> None:
        atoms = self.threats.setdefault((before, after), [])
        if atom not in atoms:
            atoms.append(atom)


def _reduced(
    length: int,
    links: dict[tuple[int, int], list[int]],
    threats: dict[tuple[int, int], list[int]],
) -> PartialOrder:
    """Drop threats that follow from the other edges, and number the stages."""
    before: list[list[int]] = [[] for _ in range(length)]
    for first, second in {**links, **threats}:
        if second != GOAL:
            before[second].append(first)
    ancestors = [0] * length
    stage = [0] * length
    kept = dict(threats)
    for step in range(length):
        inherited = 0
        for other in sorted(before[step], reverse=True):
            edge = (other, step)
            if inherited >> other & 1 and edge not in links:
                kept.pop(edge, None)
            inherited |= ancestors[other] | 1 << other
            stage[step] = max(stage[step], stage[other] + 1)
        ancestors[step] = inherited
    return PartialOrder(links=links, threats=kept, stage=stage)
