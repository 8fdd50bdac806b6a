"""A toy toolkit whose processes are made by forking, so that hundreds of them can be killed.

Run as a program it reads one request per line and answers each with one line:
``{"start": {"words": […], "environment": {…}, "folder": …}}`` → ``{"pid": …}`` and
``{"wait": pid}`` → ``{"code": …}``. Each command line runs in a process of its own.

The world is a folder. ``effects`` has one line per thing that was done to it, each appended by one
write: a line that is there twice is an effect that was had twice.
"""

import itertools
import json
import os
import subprocess
import sys
import threading
import traceback
from pathlib import Path

from pydantic import BaseModel, Field

from agents.cli import adr, doctor, emit, history, plan, run, status, watch  # noqa: F401 - loaded once, before all forks
from agents.cli.main import invoke
from agents.declare.actions import Context, Cost, Goal, action, sensor
from agents.declare.catalogue import Catalogue
from agents.declare.facts import Reading, facts
from agents.declare.outcome import Decision, Outcome
from agents.declare.triggers import on
from agents.errors import ActionFailed, FailureClass
from agents.ledger.events import new_event
from agents.ledger.payloads import Foreign
from agents.ledger.store import Ledger
from agents.records import outdated, write_records
from agents.run.options import StateOptions

WORLD = "BAKERY"
PATIENCE = 20.0
DECISION = Decision(key="bread", title="Bake bread", context="Guests.", decision="Bake.")


class World(BaseModel):
    dough: bool = Field(description="the dough is kneaded")
    hot: bool = Field(description="the oven is hot")
    bread: bool = Field(description="the bread is baked")
    delivered: bool = Field(description="the bread is at the door")
    noted: bool = Field(description="the records say what the ledger says")


F = facts(World)


def here() -> Path:
    return Path(os.environ[WORLD])


def done() -> list[str]:
    path = here() / "effects"
    return path.read_text(encoding="utf-8").split() if path.exists() else []


def happen(what: str) -> None:
    fault(what)
    handle = os.open(here() / "effects", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, f"{what}\n".encode())
    os.close(handle)


def fault(what: str) -> None:
    """Fail once in the way that ``faults/WHAT`` says."""
    path = here() / "faults" / what
    if path.exists():
        kind = path.read_text(encoding="utf-8")
        path.unlink()
        if kind == "unknown":
            raise ValueError(f"{what} broke")
        raise ActionFailed(
            f"{what} failed",
            failure_class=FailureClass(kind),
            name=kind,
            progress=os.urandom(4).hex(),
        )


def seen(name: str, what: str):
    @sensor(F[name])
    def look(_context: Context) -> Reading:
        return Reading(what in done(), f"{what} {'is' if what in done() else 'is not'} done")

    return look


@sensor(F.delivered)
def delivered(_context: Context) -> Reading:
    path = here() / "delivered"
    return Reading(path.exists() and path.read_text(encoding="utf-8") == "bread\n", str(path))


@action(effect=F.dough, seconds=2)
def knead(_context: Context) -> Outcome:
    """Knead the dough."""
    happen("knead")
    return Outcome(summary="kneaded")


@action(effect=F.hot, seconds=2)
def heat(_context: Context) -> Outcome:
    """Heat the oven."""
    happen("heat")
    if (here() / "gate").exists():  # somebody is waiting at the door: hold the lock until they go
        pause = threading.Event()
        while (here() / "gate").exists():
            pause.wait(0.01)
    return Outcome(summary="hot")


def baked(_context: Context) -> Outcome | None:
    if "bake" not in done():
        return None
    return Outcome(summary="baked", decision=DECISION, lesson="A hot oven helps.")


@action(needs=(F.dough, F.hot), effect=F.bread, cost=lambda _: Cost(5, 1.0), recall=baked)
def bake(context: Context) -> Outcome:
    """Launch what bakes, which outlives us, once; whoever comes later waits for the same one."""
    fault("bake")
    program = 'mkdir "$1/oven" 2>/dev/null && echo bake >> "$1/effects"; exit 0'
    with subprocess.Popen(["/bin/sh", "-c", program, "sh", str(here())], start_new_session=True):
        pass
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.01)):
        outcome = baked(context)
        if outcome is not None:
            return outcome
        pause.wait(0.01)
    raise ActionFailed("it never got done")


@action(needs=F.bread, effect=F.delivered)
def deliver(_context: Context) -> Outcome:
    """Put it at the door, whole or not at all."""
    fault("deliver")
    aside = here() / ".delivered"
    aside.write_text("bread\n", encoding="utf-8")
    aside.replace(here() / "delivered")
    return Outcome(summary="delivered")


@sensor(F.noted)
def noted(context: Context) -> Reading:
    return Reading(not outdated(context.history(), here()), "compared with the ledger")


@action(needs=F.delivered, effect=F.noted)
def note(context: Context) -> Outcome:
    """Write the records, each replaced by a rename."""
    changes = write_records(context.history(), here())
    return Outcome(summary=f"{len(changes)} records")


CATALOGUE = Catalogue(
    F,
    (seen("dough", "knead"), seen("hot", "heat"), seen("bread", "bake"), delivered, noted),
    (knead, heat, bake, deliver, note),
    (
        Goal(
            "served",
            "Bread is at the door",
            lambda _: (F.delivered, F.noted),
            triggers=(on("order.placed"),),
        ),
    ),
)


def append(words: list[str]) -> int:
    """Append orders to the ledger, of a few bytes and of many, until somebody kills this."""
    options = StateOptions.read(words, "append")
    with Ledger(options.ledger) as ledger:
        for number in itertools.count():
            data = {"n": number, "text": "x" * (number * 7919 % 20_000)}
            ledger.receive(new_event(Foreign(of_type="order.noticed", data=data)))
    return 0


def start(words: list[str], environment: dict[str, str], folder: str) -> int:
    """Run a command line in a new process."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.environ.update(environment)
        os.chdir(folder)  # where the project stands there may be records of its own
        with (Path(folder) / "output.txt").open("ab", buffering=0) as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        code = append(words[1:]) if words[0] == "append" else invoke(lambda: CATALOGUE, words)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - whatever it is, the child must not go on as the parent
        traceback.print_exc()
        code = 99
    os._exit(code)


def serve() -> None:
    """Answer requests until there are no more."""
    for line in sys.stdin:
        request = json.loads(line)
        if "start" in request:
            answer = {"pid": start(**request["start"])}
        else:
            status = os.waitpid(request["wait"], 0)[1]
            answer = {"code": os.waitstatus_to_exitcode(status)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
