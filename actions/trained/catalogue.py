"""`toolkit`: declared trainings, and what a user adds of their own, as one catalogue.

```
CATALOGUE = toolkit(char_lm)
```

What a user adds speaks of a training by `facts_of`, and a goal of their own takes its parameters:

```
T = facts_of(char_lm)

@action(needs=T.char_lm_trained, effect=F.published)
def publish(context): ...

Goal("published", "Trained and published", lambda _: F.published, parameters_of(char_lm))
```
"""

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from actions.contributions import OurContributions
from actions.disk import free_mb
from actions.ports import connect
from actions.trained.declared import actions_of, goal_of, sensors_of
from actions.trained.names import FACTS, Names, all_of, prepares
from actions.trained.parameters import TrainedParameters, parameters_of
from actions.trained.room import free_space
from actions.trained.sweep import best_goal_of
from actions.trained.train import hardware_for, seconds_of
from actions.update_docs import documented, update_docs
from actions.validate_auth import auth_valid, validating
from agents.declare.actions import Action, Goal, Sensor
from agents.declare.catalogue import Catalogue
from agents.declare.facts import Facts, facts
from agents.errors import UsageError
from training.declare.training import Training

__all__ = ["facts_of", "parameters_of", "toolkit"]


class _World(BaseModel):
    """What is said of every training."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), defer_build=True
    )

    auth_valid: bool = Field(description="the compute accepts our credentials")
    free_mb: float = Field(description="free space where training writes, in MB")
    documented: bool = Field(description="ADRs, learnings and run records match the ledger")


_SHARED = "every catalogue of trainings"


def toolkit(
    *trainings: Training,
    sensors: Iterable[Sensor] = (),
    actions: Iterable[Action] = (),
    goals: Iterable[Goal] = (),
    world: type[BaseModel] | None = None,
) -> Catalogue:
    """A catalogue of trainings: facts, sensors, actions and a goal for each.

    What a training begins with or reads from (``init=``, ``data=``) is in it as well.

    Args:
        trainings: What can be trained.
        sensors: A user's own.
        actions: A user's own.
        goals: A user's own; their parameters are those of a training (`parameters_of`), or any.
        world: The facts that these speak of.

    Raises:
        UsageError: Two things have one name; the message names both.
    """
    declared = all_of(trainings)
    handles = facts(_world_of(declared, world))
    own_actions, own_goals = tuple(actions), tuple(goals)
    _check("action", _action_names(declared), [each.name for each in own_actions])
    _check("goal", _goal_names(declared), [each.name for each in own_goals])
    looking = [auth_valid, free_mb, documented, *sensors]
    doing = [validating(TrainedParameters, seconds_of, hardware_for)]
    for each in declared:
        looking += sensors_of(each, handles)
        doing += actions_of(each, handles)
    doing += [free_space, update_docs, *own_actions]
    return Catalogue(
        handles,
        tuple(looking),
        tuple(doing),
        (*(goal for each in declared for goal in _goals_of(each)), *own_goals),
        connect,
        contributions=OurContributions(),
    )


def facts_of(*trainings: Training) -> Facts:
    """The facts that trainings have, as handles: ``facts_of(char_lm).char_lm_trained``.

    Raises:
        UsageError: Two trainings have one name.
    """
    return facts(_world_of(all_of(trainings), None))


def _world_of(declared: tuple[Training, ...], own: type[BaseModel] | None) -> type[BaseModel]:
    """Every fact of the catalogue, as fields of one model.

    Raises:
        UsageError: Two facts have one name.
    """
    owners = dict.fromkeys(_World.model_fields, _SHARED)
    fields: dict[str, Any] = {}
    for training, kind in ((training, kind) for training in declared for kind in FACTS):
        if kind == "data" and not prepares(training):
            continue
        name = Names(training.name).fact(kind)
        _once(owners, "fact", name, f"the training {training.name} ({training.where})")
        fields[name] = (bool, Field(description=Names(training.name).described(kind)))
    for name, field in own.model_fields.items() if own is not None else ():
        _once(owners, "fact", name, f"world={own.__name__ if own else ''}")
        fields[name] = (field.annotation, field)
    return create_model("World", __base__=_World, **fields)


def _action_names(declared: tuple[Training, ...]) -> Iterator[tuple[str, str]]:
    for shared in ("validate_auth", "free_space", "update_docs"):
        yield shared, _SHARED
    for each in declared:
        names, owner = Names(each.name), f"the training {each.name} ({each.where})"
        for verb, what in (
            *(("build", "image"), ("prepare", "data"), ("train", ""), ("commit", "")),
            *(("prune", ""), ("halve", "micro_batch"), ("roll_back", "")),
        ):
            yield names.action(verb, what), owner


def _goals_of(training: Training) -> Iterator[Goal]:
    yield goal_of(training)
    if (best := best_goal_of(training)) is not None:
        yield best


def _goal_names(declared: tuple[Training, ...]) -> Iterator[tuple[str, str]]:
    for each in declared:
        for goal in _goals_of(each):
            yield goal.name, f"the training {each.name} ({each.where})"


def _check(what: str, made: Iterator[tuple[str, str]], own: list[str]) -> None:
    """Refuse two of one name."""
    owners: dict[str, str] = {}
    for name, owner in made:
        _once(owners, what, name, owner)
    for name in own:
        _once(owners, what, name, f"{what}s= of the catalogue")


def _once(owners: dict[str, str], what: str, name: str, owner: str) -> None:
    if name in owners:
        raise UsageError(
            f"two {what}s are called {name!r}: one of {owners[name]}, one of {owner}",
            fix="rename one of them; a training also has goal= for its goal",
        )
    owners[name] = owner
