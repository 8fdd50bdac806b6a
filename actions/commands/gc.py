"""``gc``: what nothing cites any more is listed with its size, and deleted on request."""

import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

import goap_start
from actions.ports import Ports, connect, translated
from actions.trained.files import hashes_in, source_at
from actions.trained.parameters import TrainedParameters
from agents.command import command
from agents.declare.chosen import chosen, load
from agents.declare.commands import Answer, Command, Terminal
from agents.declare.schedule import every
from agents.declare.words import flag, word
from agents.errors import GoapError
from agents.ledger.redaction import redact
from agents.records.places import ADR_FOLDER, LEARNINGS_PATH
from agents.run.options import StateOptions
from agents.run.question import read_ledger
from goals.placed import PlacedParameters
from training.compute.port import NamedImage
from training.declare.data import placed_of
from training.declare.order import recipe_of
from training.declare.training import Training
from training.errors import TrainingError
from training.own import own_recipe, own_source
from training.runner.order import Order
from training.store.directory import TrainingDirectory
from training.store.garbage import Citations, Item, delete, items_of, uncited

__all__ = ["GC"]

RECORDS = (ADR_FOLDER, str(Path(LEARNINGS_PATH).parent))
"""Where a repository has its records: decisions, learnings, runs."""


class GcOptions(StateOptions):
    """Whose volume, whose records, and how old something has to be."""

    volume: str | None = word("DIR|NAME", None)
    compute: Literal["local", "modal", "loopback"] = word("WHERE", "local")
    repo: Path = word("DIR", Path(), example=".")
    also: str = word("DIR,DIR", "")
    older: str = word("TIME", "30d")
    yes: bool = flag("--yes", "-y", about="Delete what is listed.")

    @property
    def folders(self) -> list[Path]:
        """The repositories whose records count, each with a state directory of its own."""
        return [self.repo, *(Path(each) for each in self.also.split(",") if each)]


@dataclass
class _Now:
    """What is declared now: which trainings it could be, and what it is made of."""

    sources: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    texts: list[str] = field(default_factory=list)
    kept_data: list[str] = field(default_factory=list)

    def could_be(self, order: Order) -> bool:
        """Whether a goal of now may ask for this very training."""
        return order.parts.source in self.sources or order.name in self.names


def _gc(options: GcOptions, terminal: Terminal) -> Answer:
    params = PlacedParameters.model_validate({"compute": options.compute, "volume": options.volume})
    ports = connect(params, options.state)
    with translated():
        ports.compute.auth_seen()  # says at once that there are no credentials
        plan = _planned(options, ports, params)
        done = _delete(ports, plan, terminal) if options.yes else []
    data = {
        "volume": ports.volume.name,
        "compute": ports.compute.name,
        "older": options.older,
        "found": [{"kind": each.kind, "path": each.path, "bytes": each.size} for each in plan.items]
        + [{"kind": "image", "path": each.name, "bytes": 0} for each in plan.images],
        "bytes": sum(each.size for each in plan.items),
        "kept": plan.kept,
        "deleted": done,
    }
    return Answer(data, "\n".join(_text(options, plan, done)))


@dataclass(frozen=True)
class _Plan:
    """What can go."""

    items: list[Item]
    images: list[NamedImage]
    kept: int
    notes: list[str]


def _planned(options: GcOptions, ports: Ports, params: PlacedParameters) -> _Plan:
    before = time.time() - every(options.older).seconds
    cited, now = Citations(), _declared_now(ports, params, options.state)
    for text in (*now.texts, *ports.compute.set_aside(), *_texts(options)):
        cited.read(text)
    items = items_of(ports.volume)
    for item in items:
        if item.kind == "training" and _is_of_now(ports, item, now):
            cited.read(item.identity)
    gone = uncited(ports.volume, items, cited, before)
    if now.kept_data:
        gone = [each for each in gone if each.kind != "data"]
    gone = [each for each in gone if not _is_at_work(ports, each)]
    images = [
        each
        for each in ports.compute.images()
        if each.written < before and not cited.hold(each.identity)
    ]
    return _Plan(gone, images, len(items) - len(gone), now.kept_data)


def _texts(options: GcOptions) -> Iterator[str]:
    """Everything that may cite something: ledgers and records."""
    states = [options.state, *(each / options.state.name for each in options.folders[1:])]
    for state in states:
        for event in read_ledger(state):
            yield json.dumps(event.data)
    for folder in options.folders:
        for place in RECORDS:
            for path in sorted((folder / place).rglob("*")):
                if path.is_file():
                    yield path.read_text(encoding="utf-8", errors="replace")


def _is_of_now(ports: Ports, item: Item, now: _Now) -> bool:
    try:
        order = TrainingDirectory(ports.volume, item.identity).read_order()
    except TrainingError:
        return False
    return order is not None and now.could_be(order)


def _is_at_work(ports: Ports, item: Item) -> bool:
    """Whether somebody trains it, or makes data of it; what is being sent is as young as that."""
    name = item.path.rpartition("/")[2]
    has_calls = item.kind == "training" or name.startswith("data-")
    return has_calls and ports.compute.owner(name) is not None


def _declared_now(ports: Ports, params: PlacedParameters, state: Path) -> _Now:
    now = _Now({own_source().digest}, texts=[own_recipe().fingerprint()])
    choice = chosen(Path.cwd(), os.environ, goap_start.PACKAGES)
    if choice is None:
        return now
    kinds = {goal.parameters for goal in load(choice).goals.values()}
    declared = {
        training.name: training
        for kind in kinds
        if issubclass(kind, TrainedParameters)
        for training in kind.chain
    }
    for training in declared.values():
        now.texts.append(recipe_of(training).fingerprint())
        _add(now, training, ports, params, state)
    return now


def _add(
    now: _Now, training: Training, ports: Ports, params: PlacedParameters, state: Path
) -> None:
    """What one declaration is made of now; where that cannot be told, all that it may be stays."""
    try:
        now.sources.add(source_at(training, params, state).digest)
    except (GoapError, TrainingError, ValidationError):
        now.names.add(training.name)
    try:
        placed = placed_of(training, ports.volume, hashes_in(state))
    except TrainingError as error:
        said = f"no data is listed: what {training.name} reads is not known now: {error.message}"
        now.kept_data.append(said)
        return
    if placed is not None:
        now.texts.append(placed.digest)


ORDER = ("ranking", "staged", "proof", "training", "data")
"""What may cite goes before what it cites."""


def _delete(ports: Ports, plan: _Plan, terminal: Terminal) -> list[str]:
    """Delete what was planned and is as it was then; the paths."""
    there = {each.path: each for each in items_of(ports.volume)}
    done = []
    for item in sorted(plan.items, key=lambda each: ORDER.index(each.kind)):
        found = there.get(item.path)
        if found is None or found.written > item.written or _is_at_work(ports, item):
            terminal.say(f"{item.path} is used again: it stays")
            continue
        delete(ports.volume, item)
        done.append(item.path)
    for image in plan.images:
        why = ports.compute.remove_image(image.name)
        if why:
            terminal.say(redact(f"the image {image.name} stays: {why}"))
        else:
            done.append(image.name)
    ports.volume.commit()
    return done


def _text(options: GcOptions, plan: _Plan, done: list[str]) -> Iterable[str]:
    yield from plan.notes
    rows = [(str(each.kind), each.path, _megabytes(each.size)) for each in plan.items]
    rows += [("image", each.name, "a name") for each in plan.images]
    if not rows:
        yield f"nothing to delete: {plan.kept} things are cited, in use, or not {options.older} old"
        return
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for kind, path, size in rows:
        yield f"{kind:<{widths[0]}}  {path:<{widths[1]}}  {size:>{widths[2]}}"
    freed = _megabytes(sum(each.size for each in plan.items))
    if options.yes:
        yield f"{len(done)} of {len(rows)} deleted, {freed}"
        return
    yield (
        f"{len(rows)} that nothing cites, {freed}; {plan.kept} stay. Asked were the ledger and the "
        f"records of {', '.join(str(each.absolute()) for each in options.folders)}, no others: "
        f"also=DIR,DIR asks more. {command('gc')} … --yes deletes them"
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


GC = Command(
    "gc",
    "What nothing cites any more on a volume; --yes deletes it.",
    GcOptions,
    _gc,
    "Trainings, data, proofs and names of images, rankings, and what was staged. What stays: what "
    "an event of the ledger or a record cites (decisions, learnings, runs), what a training that "
    "is declared now could be, what runs or is set aside, what those need, and what was written "
    "within older= (30d). Other people's records are not known: also= names the folders of more "
    "repositories, each with its state directory. What deleted trainings used stays in the "
    "accounts. Killed, it is run again.",
)
