"""A sweep: several configurations at the same time, each a step; the best one is kept."""

import hashlib
import json
import math

from pydantic import ValidationError

from actions.carried import ending_of, is_out
from actions.job import Job, job_with
from actions.measured import verdicts_of
from actions.metering import meter_of
from actions.ports import is_accepted, ports_of, translated
from actions.rates import cost_on
from actions.touched import SWEEPS, while_training
from actions.train import hardware_of, train_job
from actions.training_cost import training_seconds
from actions.training_outcome import outcome_of
from agents.declare.actions import Action, Context, Cost, Meter, Sensor, action, sensor
from agents.declare.facts import Condition, Reading
from agents.declare.outcome import Artifact, Decision, Measurement, Outcome, Ranking
from agents.errors import ActionFailed, Permanent
from goals.best_dit import SweepParameters
from goals.world import MOST_CANDIDATES, F, candidate_fact
from training.compute.port import Compute
from training.runner.ending import Ending
from training.store.commit import commit_ending
from training.store.directory import ranking_name

__all__ = ["CANDIDATES", "JUDGED", "best_chosen", "choose_best"]

JUDGED_BY = "validation_loss"


def _job(context: Context[SweepParameters], number: int) -> Job | None:
    """The training of the configuration of this number, from 1."""
    config = context.params.candidates()[number - 1]
    job: Job | None = context.once(f"candidate {number}", lambda: job_with(context, config))
    return job


def _jobs(context: Context[SweepParameters]) -> list[Job]:
    numbers = range(1, len(context.params.candidates()) + 1)
    jobs = [_job(context, number) for number in numbers]
    return [job for job in jobs if job is not None]


def _account(context: Context[SweepParameters], number: int) -> str:
    job = _job(context, number) if is_accepted(context) else None
    return "" if job is None else job.key


def _meter(context: Context[SweepParameters], number: int) -> Meter | None:
    job = _job(context, number) if is_accepted(context) else None
    return None if job is None else meter_of(context, job)


def _touched(context: Context[SweepParameters], number: int) -> tuple[str, ...]:
    config = context.params.candidates()[number - 1]
    return while_training(context.params, f"training {config!r} of {context.params.dataset}")


def _train_candidate(number: int) -> Action:
    def run(context: Context[SweepParameters]) -> Outcome:
        job = _job(context, number)
        if job is None:
            raise Permanent(
                "the dataset is not on the volume, so there is nothing to train on",
                name="dataset_missing",
            )
        try:
            outcome = train_job(context, job)
        except ActionFailed:
            ending = job.ending()
            if ending is None or not is_out(ending):
                raise
            return Outcome(summary=_out(ending), provenance={"training_key": job.key})
        # here a gate only says which configuration may win
        return outcome.model_copy(update={"gates": (), "decision": None, "lesson": ""})

    run.__name__ = f"train_candidate_{number}"
    run.__doc__ = f"Train configuration {number} of the sweep to the end, whatever comes of it."

    def cost(params: SweepParameters) -> Cost:
        seconds = training_seconds(params, params.candidates()[number - 1])
        return cost_on(params.compute, hardware_of(params), seconds)

    return action(
        needs=(F.auth_valid, F.image_built, F.dataset_ready),
        effect=(F[candidate_fact(number)] == True, ~F.documented),  # noqa: E712
        cost=cost,
        resources={"gpu": 1},
        account=lambda context: _account(context, number),
        meter=lambda context: _meter(context, number),
        touches=lambda context: _touched(context, number),
        parameters=SweepParameters,
        when=lambda params: number <= len(params.candidates()),
    )(run)


def _judged(number: int) -> Sensor:
    def look(context: Context[SweepParameters]) -> Reading:
        if number > len(context.params.candidates()):
            return Reading(False, f"the sweep has no configuration {number}")
        job = _job(context, number)
        ending = ending_of(context, job) if job is not None else None
        if job is None or ending is None:
            return Reading(False, "not trained yet")
        if is_out(ending):
            return Reading(True, _out(ending))
        if ending.status != "completed" or not job.holds(ending):
            return Reading(False, f"{ending.status} at step {ending.step} of {ending.target_step}")
        return Reading(True, f"training {job.key}: {_score(ending)}")

    return sensor(
        F[candidate_fact(number)], needs=F.auth_valid, parameters=SweepParameters, timeout=15
    )(look)


CANDIDATES = tuple(_train_candidate(number) for number in range(1, MOST_CANDIDATES + 1))
JUDGED = tuple(_judged(number) for number in range(1, MOST_CANDIDATES + 1))


def _out(ending: Ending) -> str:
    name = ending.failure.name if ending.failure is not None else ending.status
    return f"out: {name} at step {ending.step}"


def _score(ending: Ending) -> str:
    failed = [gate.name for gate in ending.gates if not gate.passed]
    verdict = f"failed {', '.join(failed)}" if failed else "gates passed"
    return f"validation loss {_loss(ending):.4f}, {verdict}"


def _loss(ending: Ending) -> float:
    loss = ending.numbers.get(JUDGED_BY, math.inf)
    return math.inf if math.isnan(loss) else loss


def _ranking_path(context: Context[SweepParameters]) -> str:
    keys = "\n".join(job.key for job in _jobs(context))
    return ranking_name(hashlib.sha256(keys.encode()).hexdigest()[:16])


@sensor(F.best_chosen, needs=F.auth_valid, parameters=SweepParameters, timeout=15)
def best_chosen(context: Context[SweepParameters]) -> Reading:
    """True when a ranking of these very configurations is on the volume, with its winner."""
    jobs = {job.key: job for job in _jobs(context)}
    volume, path = ports_of(context).volume, _ranking_path(context)
    if not jobs or not volume.exists(path):
        return Reading(False, "these configurations were not compared yet")
    try:
        key = str(json.loads(volume.read_bytes(path))["best"])
        job, ending = jobs[key], ending_of(context, jobs[key])
    except (ValueError, KeyError, ValidationError) as error:
        return Reading(False, f"{path} cannot be read: {error}")
    if ending is None or not job.holds(ending):
        return Reading(False, f"the checkpoint of training {key} is gone from the volume")
    return Reading(True, f"training {key} of {len(jobs)}: {_score(ending)}")


def _all_judged(params: SweepParameters) -> tuple[Condition, ...]:
    numbers = range(1, len(params.candidates()) + 1)
    return tuple(F[candidate_fact(number)] == True for number in numbers)  # noqa: E712


@action(
    needs=_all_judged,
    effect=(F.best_chosen, ~F.documented),
    seconds=2,
    parameters=SweepParameters,
    touches=(SWEEPS,),
)
def choose_best(context: Context[SweepParameters]) -> Outcome:
    """Keep the configuration with the least validation loss among those that passed their gates."""
    results = [(job, job.ending()) for job in _jobs(context)]
    ended = [(job, ending) for job, ending in results if ending is not None]
    able = [(job, ending) for job, ending in ended if ending.passed and job.holds(ending)]
    if not able:
        raise Permanent(
            "no configuration of the sweep passed its gates: "
            + "; ".join(f"{job.key} {_told(ending)}" for job, ending in ended),
            fix="train longer (steps=…), or vary other settings (sweep=…)",
            name="gate_failed",
        )
    job, ending = min(able, key=lambda each: _loss(each[1]))
    with translated():
        commit_ending(job.directory)
    path = _ranking_path(context)
    ranking = {each.key: _told(of_it) for each, of_it in ended}
    text = json.dumps({"best": job.key, "ranking": ranking}, indent=2) + "\n"
    job.volume.write_bytes(path, text.encode())
    return _outcome(job, ending, ended, path, ports_of(context).compute)


def _told(ending: Ending) -> str:
    return _out(ending) if ending.status == "failed" else _score(ending)


def _outcome(
    job: Job, ending: Ending, ended: list[tuple[Job, Ending]], path: str, compute: Compute
) -> Outcome:
    of_best = outcome_of(job, ending, compute)
    losses = tuple(
        Measurement(
            name=f"{JUDGED_BY}_{number}",
            value=of_it.numbers[JUDGED_BY],
            source=each.directory.result_name,
        )
        for number, (each, of_it) in enumerate(ended, start=1)
        if JUDGED_BY in of_it.numbers
    )
    return of_best.model_copy(
        update={
            "summary": f"best of {len(ended)}: training {job.key}, {_score(ending)}",
            "measurements": (*losses, *of_best.measurements),
            "artifacts": (Artifact(name="ranking", path=path), *of_best.artifacts),
            "gates": verdicts_of(ending),
            "decision": _decision(job, of_best.decision),
            "lesson": "",
        }
    )


def _decision(job: Job, promoted: Decision | None) -> Decision | None:
    """What stands of the winner's own promotion, as a choice among configurations."""
    if promoted is None:
        return None
    changes = {
        "key": f"best:{job.model}:{job.order.data[:16]}",
        "title": f"Best {job.model} of a sweep on {job.order.label}: {job.key}",
        "context": (
            "Several configurations were trained at the same time on the same photos. Those that "
            "passed every gate are compared by their loss on photos that none of them saw."
        ),
        "positive": (
            "All were measured in the same way, on the same photos, to their last step.",
            *promoted.positive,
        ),
        "negative": (
            "One seed per configuration: a small difference may be chance.",
            *promoted.negative,
        ),
        "neutral": (
            "The others stay on the volume under their own training keys.",
            *promoted.neutral,
        ),
        "alternatives": (("Compare training losses", "they say nothing about unseen photos"),),
        "ranking": Ranking(measurement=JUDGED_BY, best="lowest"),
    }
    return promoted.model_copy(update=changes)
