"""The proof that a declared training can run on this machine: ``images/<digest>.json``.

An interpreter holds what is required; the source compiles, or better: a smoke training, which the
runner carries like any other on a volume of its own, comes further.
"""

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from training.compute.interpreter import VARIABLE, Interpreter, interpreter_for
from training.compute.port import Shipped
from training.compute.recipe import Recipe, proof_digest
from training.compute.starting import words_of_runner
from training.declare.source import stage_source
from training.errors import IMAGE_INCOMPLETE, ImageError, Interrupted
from training.runner.ending import Ending
from training.runner.order import Order
from training.store.directory import TrainingDirectory, proof_name
from training.store.durable import write_whole

__all__ = ["proof_of", "prove"]

POLL_SECONDS = 0.05
GRACE_SECONDS = 25.0
"""A runner gives its script 20 s to end."""

# Compiles every file named on its input, in the interpreter that is to run them, and says the first
# that it cannot.
_COMPILE = """
import sys
for path in sys.stdin.read().split("\\0"):
    with open(path, "rb") as file:
        try:
            compile(file.read(), path, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None)
            print(path if line is None else "%s:%s" % (path, line), getattr(error, "msg", error))
            break
"""


def proof_of(root: Path, recipe: Recipe, smoke: Order | None) -> str | None:
    """The proof in words; None where there is none, or its interpreter is gone.

    Args:
        root: The volume.
        recipe: What is required.
        smoke: The training that was carried.
    """
    name = proof_name(proof_digest(recipe, smoke.key if smoke is not None else ""))
    try:
        proof = json.loads((root / name).read_bytes())
        wanted = os.environ.get(VARIABLE, "")
        if not Path(proof["interpreter"]).is_file() or (wanted and proof["variable"] != wanted):
            return None
        return _described(proof)
    except (OSError, ValueError, KeyError):
        return None


def prove(
    root: Path,
    recipe: Recipe,
    smoke: Order | None,
    source: Shipped,
    log: Callable[[str], None],
    cancelled: threading.Event,
) -> str:
    """Make the proof; returns it in words.

    Raises:
        ImageError: No interpreter holds what is required, or the training does not work there.
        Interrupted: ``cancelled`` was set.
    """
    began = time.monotonic()
    interpreter = interpreter_for(recipe.requirements)
    log(f"{interpreter.path} (Python {interpreter.python}) holds what is required")
    with tempfile.TemporaryDirectory(prefix="proof-") as place:
        scratch = Path(place)
        _compile(source, scratch / "compiled", interpreter)
        step = (
            None
            if smoke is None
            else _carried(root, scratch, smoke, source, interpreter, log, cancelled)
        )
    digest = proof_digest(recipe, smoke.key if smoke is not None else "")
    proof = {
        "format": 2,
        "fingerprint": recipe.fingerprint(),
        "interpreter": interpreter.path,
        "variable": os.environ.get(VARIABLE, ""),
        "python": interpreter.python,
        "requirements": dict(interpreter.versions),
        "step": step,
        "seconds": round(time.monotonic() - began, 2),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_whole(root / proof_name(digest), json.dumps(proof, indent=2, sort_keys=True) + "\n")
    return _described(proof)


def _described(proof: dict[str, Any]) -> str:
    count = len(proof["requirements"])
    held = "1 requirement" if count == 1 else f"{count} requirements"
    step = proof["step"]
    worked = "the source compiles" if step is None else f"a smoke training came to step {step}"
    return f"{held} held by {proof['interpreter']} (Python {proof['python']}), {worked}"


def _compile(source: Shipped, place: Path, interpreter: Interpreter) -> None:
    source.stage(place)
    files = [str(path) for path in sorted(place.rglob("*.py"))]
    if not files:
        return
    ended = subprocess.run(
        [interpreter.path, "-I", "-c", _COMPILE],
        input="\0".join(files).encode(),
        capture_output=True,
        check=False,
        # Ctrl-C in a terminal goes to everybody in the session: it is for us alone
        start_new_session=True,
    )
    wrong = ended.stdout.decode(errors="replace").replace(f"{place}/", "").strip()
    if wrong:
        raise ImageError(
            f"the source does not compile: {wrong}",
            fix="correct it, then run the same command again",
            code="source_broken",
        )
    if ended.returncode:
        said = ended.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise ImageError(
            f"{interpreter.path} ended with {ended.returncode}: {' '.join(said)}",
            fix=f"export {VARIABLE}= another interpreter, then run the same command again",
            code="no_interpreter",
        )


def _carried(
    root: Path,
    scratch: Path,
    smoke: Order,
    source: Shipped,
    interpreter: Interpreter,
    log: Callable[[str], None],
    cancelled: threading.Event,
) -> int:
    """The step that the smoke training came to."""
    volume = scratch / "volume"
    directory = TrainingDirectory.local(volume, smoke.key)
    stage_source(source, directory.volume, smoke.key)
    directory.write_order(smoke)
    for name in _read_by(smoke):
        (volume / name).parent.mkdir(parents=True, exist_ok=True)
        (volume / name).symlink_to((root / name).absolute())
    log(f"carrying the smoke training {smoke.key}")
    _run(words_of_runner(volume, smoke.key, interpreter), scratch / "said", cancelled)
    ending = directory.read_ending()
    if ending is None:
        raise _broken((scratch / "said").read_text(encoding="utf-8", errors="replace"))
    if ending.status == "failed" or (ending.step < 1 and ending.status == "interrupted"):
        raise _failed(ending)
    return ending.step


def _read_by(order: Order) -> list[str]:
    """What a training reads on its volume."""
    init = "" if order.init is None else order.init.checkpoint
    return [name for name in (order.data_path, init) if name]


def _run(words: list[str], said: Path, cancelled: threading.Event) -> None:
    with said.open("wb") as output:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        while process.poll() is None:
            if not cancelled.wait(POLL_SECONDS):
                continue
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_SECONDS)
            process.kill()
            process.wait()
            raise Interrupted("the proof of the image was stopped", fix="run the goal again")


def _failed(ending: Ending) -> ImageError:
    failure = ending.failure
    if failure is None:
        return _broken("it made no step")
    tail = "".join(f"\n    {line}" for line in ending.log_tail)
    return ImageError(
        f"the smoke training failed: {failure.message}{tail}",
        fix=failure.fix or "correct the script, then run the same command again",
        code=IMAGE_INCOMPLETE if failure.name == IMAGE_INCOMPLETE else "smoke_failed",
    )


def _broken(said: str) -> ImageError:
    last = said.strip().splitlines()[-1:] or ["it said nothing"]
    return ImageError(
        f"the smoke training failed: {last[0]}",
        fix="correct the script, then run the same command again",
        code="smoke_failed",
    )
