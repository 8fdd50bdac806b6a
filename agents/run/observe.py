"""Observing: running the sensors of the facts that matter, at the same time, each with a limit."""

import queue
import threading
import time
from collections.abc import Iterable

from agents.declare.actions import Context, Sensor
from agents.declare.catalogue import Catalogue
from agents.declare.facts import UNKNOWN, Reading, WorldState
from agents.errors import GoapError, Transient, Unauthenticated
from agents.run.where import place_of, way_of

__all__ = ["observe", "sees_more"]


def observe(
    catalogue: Catalogue, facts: Iterable[str], context: Context, kept: WorldState | None = None
) -> WorldState:
    """What is true now of ``facts``; a fact that cannot be seen is unknown, never false.

    Sensors that need other facts run after those; when their needs do not hold, the fact is
    unknown and the evidence says what is missing.

    Args:
        catalogue: Where the sensors are declared.
        facts: The facts to look at.
        context: What the sensors are given.
        kept: Readings of all other facts, which stay as they are.
    """
    world = kept or WorldState({})
    waiting = dict.fromkeys(facts)
    while waiting:
        ready = [fact for fact in waiting if not _blockers(catalogue, fact, waiting)]
        ready = ready or list(waiting)  # a cycle of needs: look anyway, needs decide below
        world = world.updated(_look_at_all(catalogue, ready, context, world))
        for fact in ready:
            del waiting[fact]
    return world


def sees_more(catalogue: Catalogue, before: WorldState, now: WorldState) -> bool:
    """Whether a fact that was unknown can be seen now, because what its sensor needs holds."""
    blind = [
        catalogue.sensors[fact]
        for fact, value in before.items()
        if value is UNKNOWN and fact in catalogue.sensors
    ]
    return any(
        sensor.needs and all(now.holds(need) for need in sensor.needs)
        for sensor in blind
        if not all(before.holds(need) for need in sensor.needs)
    )


def _blockers(catalogue: Catalogue, fact: str, waiting: Iterable[str]) -> list[str]:
    sensor = catalogue.sensors.get(fact)
    needed = {condition.fact for condition in sensor.needs} if sensor else set()
    return [each for each in waiting if each in needed and each != fact]


def _look_at_all(
    catalogue: Catalogue, facts: list[str], context: Context, world: WorldState
) -> dict[str, Reading]:
    readings: dict[str, Reading] = {}
    answers: queue.SimpleQueue[tuple[str, Reading]] = queue.SimpleQueue()
    deadlines: dict[str, float] = {}
    for fact in facts:
        sensor = catalogue.sensors.get(fact)
        if sensor is None:
            readings[fact] = Reading(UNKNOWN, "no sensor is declared for it")
            continue
        if not isinstance(context.params, sensor.parameters):
            readings[fact] = Reading(UNKNOWN, "the parameters of this goal say nothing about it")
            continue
        unmet = [need for need in sensor.needs if not world.holds(need)]
        if unmet:
            missing = ", ".join(str(need) for need in unmet)
            readings[fact] = Reading(UNKNOWN, f"cannot be seen until: {missing}")
            continue
        deadlines[fact] = time.monotonic() + sensor.timeout
        # a daemon, because a sensor that hangs must not keep the process alive
        threading.Thread(
            target=_look, args=(sensor, context, answers), name=f"sensor {fact}", daemon=True
        ).start()
    while len(readings) < len(facts):
        pending = {fact: limit for fact, limit in deadlines.items() if fact not in readings}
        fact, limit = min(pending.items(), key=lambda item: item[1])
        try:
            seen, reading = answers.get(timeout=max(0.0, limit - time.monotonic()))
            readings.setdefault(seen, reading)
        except queue.Empty:
            seconds = catalogue.sensors[fact].timeout
            readings[fact] = Reading(UNKNOWN, f"its sensor gave no answer within {seconds:g} s")
    return readings


def _look(
    sensor: Sensor, context: Context, answers: queue.SimpleQueue[tuple[str, Reading]]
) -> None:
    try:
        reading = sensor.look(context)
    except GoapError as error:
        if isinstance(error, Transient | Unauthenticated):
            context.refused.append(error)
        reading = Reading(UNKNOWN, error.message)
    except Exception as error:  # noqa: BLE001 - a broken sensor makes its fact unknown, not the run
        context.raised[sensor.fact] = way_of(error)
        place = place_of(error)
        described = f"{type(error).__name__}: {error}" + (f" ({place})" if place else "")
        reading = Reading(UNKNOWN, f"its sensor failed: {described}")
    answers.put((sensor.fact, reading))
