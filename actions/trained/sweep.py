"""best_…: several candidates of one training, each a step of its own; the best one is kept."""

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass

from actions.carried import ending_of, is_out
from actions.metering import meter_of
from actions.ports import is_accepted, ports_of, translated
from actions.touched import SWEEPS, while_training
from actions.trained.job import Job, TrainedContext, needed_job, sought
from actions.trained.names import Names, after_of, prepares
from actions.trained.outcome import outcome_of, ranking_of
from actions.trained.swept import Candidate, SweptParameters, default_sweep, swept_parameters_of
from actions.trained.train import cost_of, train_job
from agents.declare.actions import Action, Context, Cost, Goal, Meter, Sensor, Unfolded
from agents.declare.facts import Condition, Reading
from agents.declare.outcome import Artifact, Decision, Measurement, Outcome, Ranking
from agents.errors import ActionFailed, Permanent
from training.declare.training import Training
from training.runner.ending import Ending
from training.store.commit import commit_ending
from training.store.directory import ranking_name

__all__ = ["best_goal_of"]

SweptContext = Context[SweptParameters]


def best_goal_of(training: Training) -> Goal | None:
    """The goal of the best candidate; None where nothing is to be varied, or nothing ranks them."""
    ranked = training.keep.best is not None or training.gates
    if not ranked or not default_sweep(training):
        return None
    sweep = _Sweep(training)
    return Goal(
        f"best_{training.name}",
        f"The best of several candidates of {training.name}, durable and documented",
        sweep.wants,
        swept_parameters_of(training),
        capacity=sweep.capacity,
        unfolds=sweep.unfolds,
    )


def _fact(name: str) -> Condition:
    return Condition(name, True)


@dataclass(frozen=True)
class _Sweep:
    """All candidates of one training."""

    training: Training

    @property
    def chosen(self) -> str:
        """The fact that the best was chosen."""
        return f"{self.training.name}_best_chosen"

    def wants(self, _params: SweptParameters) -> tuple[Condition, ...]:
        return _fact(self.chosen), _fact("documented")

    def capacity(self, params: SweptParameters) -> dict[str, int]:
        return {"gpu": params.at_once}

    def unfolds(self, params: SweptParameters) -> Unfolded:
        """A fact, a sensor and an action for each candidate, and those of the choice."""
        ones = [_One(self.training, each) for each in params.candidates()]
        choice = _Choice(self.training, self.chosen, tuple(ones))
        facts = {one.fact: f"the candidate {one.candidate.shown} ended" for one in ones}
        facts[self.chosen] = "the best candidate passed its gates and is durable"
        return Unfolded(
            facts,
            (*(one.sensor() for one in ones), choice.sensor()),
            (*(one.action() for one in ones), choice.action()),
        )


@dataclass(frozen=True)
class _One:
    """One candidate."""

    training: Training
    candidate: Candidate

    @property
    def fact(self) -> str:
        return f"{self.training.name}_{self.candidate.name}_judged"

    def sensor(self) -> Sensor:
        return Sensor(self.fact, self.look, (_fact("auth_valid"),), 15.0, None, SweptParameters)

    def action(self) -> Action:
        return Action(
            name=f"train_{self.training.name}_{self.candidate.name}",
            summary=f"Train the candidate {self.candidate.shown} to its end, whatever comes of it",
            run=self.run,
            needs=self.needs,
            effect=self.effect,
            cost=self.cost,
            resources={"gpu": 1},
            timeout=None,
            approval=False,
            recovery=False,
            attempts=3,
            when=_always,
            parameters=SweptParameters,
            account=self.account,
            meter=self.meter,
            touches=self.touches,
        )

    def touches(self, context: SweptContext) -> tuple[str, ...]:
        named = f"training {self.training.name} {self.candidate.settings!r}"
        return while_training(context.params, named)

    def needs(self, _params: SweptParameters) -> tuple[Condition, ...]:
        names = Names(self.training.name)
        data = (names.fact("data"),) if prepares(self.training) else ()
        wanted = ("auth_valid", names.fact("image"), *data, *after_of(self.training))
        return tuple(map(_fact, wanted))

    def effect(self, _params: SweptParameters) -> tuple[Condition, ...]:
        return _fact(self.fact), Condition("documented", False)

    def cost(self, params: SweptParameters) -> Cost:
        return cost_of(params, self.training, self.candidate.settings)

    def account(self, context: SweptContext) -> str:
        job = self.sought(context) if is_accepted(context) else None
        return "" if job is None else job.key

    def meter(self, context: SweptContext) -> Meter | None:
        job = self.sought(context) if is_accepted(context) else None
        return None if job is None else meter_of(context, job)

    def sought(self, context: SweptContext) -> Job | None:
        job = sought(context, self.training, self.candidate.settings)
        return job if isinstance(job, Job) else None

    def ended(self, context: SweptContext) -> tuple[Job, Ending] | None:
        """The candidate at its end, good or bad; None before."""
        job = self.sought(context)
        ending = ending_of(context, job) if job is not None else None
        if job is None or ending is None:
            return None
        finished = ending.status == "completed" and job.holds(ending)
        return (job, ending) if finished or is_out(ending) else None

    def look(self, context: SweptContext) -> Reading:
        ended = self.ended(context)
        if ended is None:
            return Reading(False, "not trained to its end yet")
        job, ending = ended
        return Reading(True, f"training {job.key}: {_told(job, ending)}")

    def run(self, context: SweptContext) -> Outcome:
        job = needed_job(context, self.training, self.candidate.settings)
        try:
            outcome = train_job(context, job)
        except ActionFailed:
            ending = job.ending()
            if ending is None or not is_out(ending):
                raise
            return Outcome(summary=_told(job, ending), provenance={"training_key": job.key})
        # here a gate only says which candidate may win
        return outcome.model_copy(update={"gates": (), "decision": None, "lesson": ""})


def _sweeps(_context: SweptContext) -> tuple[str, ...]:
    return (SWEEPS,)


def _always(_params: object) -> bool:
    return True


@dataclass(frozen=True)
class _Choice:
    """The choice among candidates."""

    training: Training
    chosen: str
    ones: tuple[_One, ...]

    def sensor(self) -> Sensor:
        return Sensor(self.chosen, self.look, (_fact("auth_valid"),), 15.0, None, SweptParameters)

    def action(self) -> Action:
        return Action(
            name=f"choose_best_{self.training.name}",
            summary=f"Keep the best candidate of {self.training.name} that passed its gates",
            run=self.run,
            needs=self.needs,
            effect=self.effect,
            cost=self.cost,
            resources={},
            timeout=None,
            approval=False,
            recovery=False,
            attempts=3,
            when=_always,
            parameters=SweptParameters,
            touches=_sweeps,
        )

    def needs(self, _params: SweptParameters) -> tuple[Condition, ...]:
        return tuple(_fact(one.fact) for one in self.ones)

    def effect(self, _params: SweptParameters) -> tuple[Condition, ...]:
        return _fact(self.chosen), Condition("documented", False)

    def cost(self, _params: SweptParameters) -> Cost:
        return Cost(2.0)

    def look(self, context: SweptContext) -> Reading:
        """Whether a ranking of these very candidates is on the volume, with its winner."""
        jobs = [one.sought(context) for one in self.ones]
        by_key = {job.key: job for job in jobs if job is not None}
        volume, path = ports_of(context).volume, _ranking_path(by_key)
        if len(by_key) < len(self.ones) or not volume.exists(path):
            return Reading(False, "these candidates were not compared yet")
        try:
            best = by_key[str(json.loads(volume.read_bytes(path))["best"])]
        except (ValueError, KeyError, TypeError) as error:
            return Reading(False, f"{path} cannot be read: {error}")
        ending = ending_of(context, best)
        if ending is None or not ending.passed or not best.holds(ending):
            return Reading(False, f"training {best.key} is not what was chosen any more")
        return Reading(True, f"training {best.key} of {len(by_key)}: {_told(best, ending)}")

    def run(self, context: SweptContext) -> Outcome:
        """Rank those that passed, commit the best, and write the ranking."""
        ended = list(self._ended(context))
        able = [(job, ending) for job, ending in ended if ending.passed]
        if not able:
            raise Permanent(
                f"no candidate of {self.training.name} passed its gates: "
                + "; ".join(f"{job.key} {_told(job, ending)}" for job, ending in ended),
                fix="train longer, or vary other settings (sweep=…)",
                name="gate_failed",
            )
        job, ending = min(able, key=_order)
        with translated():
            commit_ending(job.directory)
        path = _ranking_path({each.key: each for each, _ in ended})
        ranking = {each.key: _told(each, its) for each, its in ended}
        text = json.dumps({"best": job.key, "ranking": ranking}, indent=2) + "\n"
        job.volume.write_bytes(path, text.encode())
        return _outcome(context, job, ending, ended, path)

    def _ended(self, context: SweptContext) -> Iterator[tuple[Job, Ending]]:
        for one in self.ones:
            ended = one.ended(context)
            if ended is not None:
                yield ended


def _order(ended: tuple[Job, Ending]) -> float:
    """What is least for the best."""
    job, ending = ended
    ranking = ranking_of(job)
    value = math.inf if ranking is None else _value(ranking, ending)
    return value if ranking is None or ranking.best == "lowest" else -value


def _value(ranking: Ranking, ending: Ending) -> float:
    value = ending.numbers.get(ranking.measurement, math.nan)
    worst = math.inf if ranking.best == "lowest" else -math.inf
    return worst if math.isnan(value) else value


def _told(job: Job, ending: Ending) -> str:
    if ending.status == "failed":
        name = ending.failure.name if ending.failure is not None else ending.status
        return f"out: {name} at step {ending.step:,}"
    ranking = ranking_of(job)
    failed = [gate.name for gate in ending.gates if not gate.passed]
    verdict = f"failed {', '.join(failed)}" if failed else "gates passed"
    if ranking is None:
        return verdict
    return f"{ranking.measurement} {_value(ranking, ending):.4g}, {verdict}"


def _ranking_path(jobs: dict[str, Job]) -> str:
    keys = "\n".join(sorted(jobs))
    return ranking_name(hashlib.sha256(keys.encode()).hexdigest()[:16])


def _outcome(
    context: TrainedContext, job: Job, ending: Ending, ended: list[tuple[Job, Ending]], path: str
) -> Outcome:
    of_best, ranking = outcome_of(job, ending, ports_of(context).compute), ranking_of(job)
    values = tuple(
        Measurement(
            name=f"{ranking.measurement}_{number}",
            value=its.numbers[ranking.measurement],
            source=each.directory.result_name,
        )
        for number, (each, its) in enumerate(ended, start=1)
        if ranking is not None and ranking.measurement in its.numbers
    )
    return of_best.model_copy(
        update={
            "summary": f"best of {len(ended)}: training {job.key}, {_told(job, ending)}",
            "measurements": (*values, *of_best.measurements),
            "artifacts": (Artifact(name="ranking", path=path), *of_best.artifacts),
            "decision": _decision(job, of_best.decision),
            "lesson": "",
        }
    )


def _decision(job: Job, promoted: Decision | None) -> Decision | None:
    """What stands of the winner's own promotion, as a choice among candidates."""
    if promoted is None:
        return None
    changes = {
        "key": promoted.key.replace("promote:", "best:", 1),
        "title": f"Best {job.name} of a sweep: {job.key}",
        "context": (
            "Several candidates were trained on the same data. Those that passed every gate are "
            "compared by one measurement of the finished training."
        ),
        "negative": (
            "One seed per candidate: a small difference may be chance.",
            *promoted.negative,
        ),
        "neutral": (
            "The others stay on the volume under their own training keys.",
            *promoted.neutral,
        ),
    }
    return promoted.model_copy(update=changes)
