"""One training as the engine knows it: its sensors, its actions, its goal."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from actions.touched import DATASETS, IMAGES, while_training
from actions.trained.data import Data
from actions.trained.image import Image
from actions.trained.keep import CommitTrained, Prune
from actions.trained.names import Names, prepares
from actions.trained.parameters import TrainedParameters, parameters_of
from actions.trained.recover import Halve, RollBack, Sound
from actions.trained.train import Train
from agents.declare.actions import Action, Context, Cost, Goal, Sensor
from agents.declare.facts import UNKNOWN, Condition, Facts, Reading
from agents.declare.outcome import Outcome
from training.declare.training import Training

__all__ = ["actions_of", "goal_of", "sensors_of"]


class _Looks(Protocol):
    """Sees one fact of a training."""

    def look(self, context: Context[TrainedParameters]) -> Reading:
        """What it sees."""


class _Makes(_Looks, Protocol):
    """Makes one fact of a training true."""

    def effect(self, _params: TrainedParameters) -> tuple[Condition, ...]:
        """What it makes true."""

    def run(self, context: Context[TrainedParameters]) -> Outcome:
        """Do it."""


def sensors_of(training: Training, facts: Facts) -> Iterator[Sensor]:
    """One per fact of the training."""
    looking: dict[str, tuple[_Looks, object]] = {
        "trained": (Train(training, facts), None),
        "image": (Image(training, facts), None),
        "data": (Data(training, facts), None),
        "committed": (CommitTrained(training, facts), None),
        "pruned": (Prune(training, facts), None),
        "fits": (Halve(training, facts), True),
        "finite": (RollBack(training, facts), True),
        "sound": (Sound(training), True),
    }
    for kind, (sense, hope) in looking.items():
        if kind == "data" and not prepares(training):
            continue
        yield Sensor(
            Names(training.name).fact(kind),
            _Only(training, sense).look,
            (facts.auth_valid == True,),  # noqa: E712
            timeout=15.0,
            hope=hope,
            parameters=TrainedParameters,
        )


class _Only:
    """Looks for goals that have to do with a training, and knows nothing for others."""

    def __init__(self, training: Training, sense: _Looks) -> None:
        self._training, self._sense = training, sense

    def look(self, context: Context[TrainedParameters]) -> Reading:
        if not any(each is self._training for each in context.params.chain):
            return Reading(UNKNOWN, f"this goal has nothing to do with {self._training.name}")
        return self._sense.look(context)


def actions_of(training: Training, facts: Facts) -> Iterator[Action]:
    """What can be done for the training, in the order in which it is usually done."""
    offered = _Offered(training)
    yield from _making(training, facts)
    yield from _keeping(training, facts, offered)
    yield from _recovering(training, facts, offered)


def _making(training: Training, facts: Facts) -> Iterator[Action]:
    names, kind = Names(training.name), training.name
    image, data, train = Image(training, facts), Data(training, facts), Train(training, facts)
    yield _action(
        names.action("build", "image"),
        f"Prove that {kind} can run: what it requires is there, and it makes its first steps",
        image,
        _Offered(training, (IMAGES,)),
        needs=image.needs,
        cost=image.cost,
        timeout=1800.0,
    )
    if prepares(training):
        prepared = _action(
            names.action("prepare", "data"),
            f"Bring the data of {kind} to the volume, under the digest of its content",
            data,
            _Offered(training, (DATASETS,)),
            needs=data.needs,
            cost=data.cost,
            timeout=24 * 3600.0,
        )
        yield dataclasses.replace(prepared, account=data.account, meter=data.meter)
    trained = _action(
        names.action("train"),
        f"Train {kind} to its end; resumes from the newest valid checkpoint",
        train,
        _Offered(training, trains=True),
        needs=train.needs,
        cost=train.cost,
    )
    yield dataclasses.replace(
        trained,
        resources={"gpu": 1, "cpu": 1},
        recall=train.recall,
        account=train.account,
        meter=train.meter,
    )


def _keeping(training: Training, facts: Facts, offered: "_Offered") -> Iterator[Action]:
    names, kind = Names(training.name), training.name
    commit, prune = CommitTrained(training, facts), Prune(training, facts)
    yield _action(
        names.action("commit"),
        f"Make what {kind} produced durable, and read every byte of it again to prove it",
        commit,
        offered,
        needs=commit.needs,
        cost=_Fixed(2.0).cost,
    )
    yield _action(
        names.action("prune"),
        f"Delete the checkpoints of {kind} that its policy does not keep",
        prune,
        offered,
        needs=prune.needs,
        cost=_Fixed(1.0).cost,
    )


def _recovering(training: Training, facts: Facts, offered: "_Offered") -> Iterator[Action]:
    names, kind = Names(training.name), training.name
    if training.micro_batch is not None:
        yield _action(
            names.action("halve", "micro_batch"),
            f"After running out of memory: half as much at once for {kind}",
            Halve(training, facts),
            offered,
            cost=_Fixed(1.0).cost,
            recovery=True,
        )
    yield _action(
        names.action("roll_back"),
        f"After the loss of {kind} diverged: back to a good checkpoint",
        RollBack(training, facts),
        offered,
        cost=_Fixed(1.0).cost,
        recovery=True,
    )


def goal_of(training: Training) -> Goal:
    """The goal that the training is made, durable, tidy and documented."""
    names = Names(training.name)
    wanted = (*(names.fact(kind) for kind in ("trained", "committed", "pruned")), "documented")
    return Goal(
        training.goal_name,
        training.description or f"{training.name}, trained, durable, tidy and documented",
        _Wanted(wanted).conditions,
        parameters_of(training),
    )


class _Wanted:
    def __init__(self, names: tuple[str, ...]) -> None:
        self._conditions = tuple(Condition(name, True) for name in names)

    def conditions(self, _params: object) -> tuple[Condition, ...]:
        return self._conditions


@dataclasses.dataclass(frozen=True)
class _Offered:
    """Which goals an action is for, and what it touches, by names that each of them gives alike."""

    training: Training
    only: tuple[str, ...] = ()
    trains: bool = False

    def when(self, params: TrainedParameters) -> bool:
        return any(each is self.training for each in params.chain)

    def touches(self, context: Context[TrainedParameters]) -> tuple[str, ...]:
        if self.only:
            return self.only
        named = f"training {self.training.name} {context.params.settings_of(self.training)!r}"
        return while_training(context.params, named) if self.trains else (named,)


class _Fixed:
    """What costs a moment and no money."""

    def __init__(self, seconds: float) -> None:
        self._cost = Cost(seconds)

    def cost(self, _params: object) -> Cost:
        return self._cost


def _nothing(_params: object) -> tuple[Condition, ...]:
    return ()


def _action(
    name: str,
    summary: str,
    makes: _Makes,
    offered: _Offered,
    *,
    cost: Callable[[Any], Cost],
    needs: Callable[[Any], tuple[Condition, ...]] = _nothing,
    timeout: float | None = None,
    recovery: bool = False,
) -> Action:
    return Action(
        name=name,
        summary=summary,
        run=makes.run,
        needs=needs,
        effect=makes.effect,
        cost=cost,
        resources={},
        timeout=timeout,
        approval=False,
        recovery=recovery,
        attempts=3,
        when=offered.when,
        parameters=TrainedParameters,
        touches=offered.touches,
    )
