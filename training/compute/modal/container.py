"""What a container runs first: it says that it is there, and only then needs anything of ours.

A platform starts a container that died again, uncounted and for ever. So each start is counted by
the first lines here, which take the standard library and the modal client alone: whatever breaks
after them is ended by the call itself, with nobody there to see it. What breaks before them is seen
by whoever looks next: a container of the app that is gone and never said that it was there.

A call that is given up returns. Nothing has to be allowed for that, and nothing is tried again; why
it was given up is left for whoever looks next.
"""

import hashlib
import os
import time
from collections.abc import Sequence
from typing import Any, Final

import modal

__all__ = [
    "CLAIMS_NAME",
    "CRASH_LOOP",
    "MOST_STARTS",
    "TIMEOUT_SECONDS",
    "begun_name",
    "budget_name",
    "carry",
    "give_up",
    "join",
    "make",
    "prove",
    "show_life",
    "start_name",
    "stopped_name",
    "task_name",
]

CLAIMS_NAME: Final = "goap-training-claims"
LONGEST_NAME: Final = 64
"""Of an object of the platform (`modal/_utils/name_utils.py` of the client)."""
TIMEOUT_SECONDS: Final = 24 * 60 * 60

MOST_STARTS: Final = 5
"""A call that dies so often without getting any further is given up, and paid for no longer."""

CRASH_LOOP: Final = "crash_loop"
"""The name of the failure of a call that was given up."""


def task_name(task: str) -> str:
    """The name under which a container says that it came as far as these lines."""
    return f"task/{task}"


def start_name(call: str) -> str:
    """The name under which the starts of a call are counted since its last sign of life."""
    return f"start/{call}"


def stopped_name(call: str) -> str:
    """The name under which it is kept why a call was given up."""
    return f"stopped/{call}"


def budget_name(volume: str) -> str:
    """The dict of what is set aside for trainings of a volume."""
    name = f"goap-budget-{volume}"
    if len(name) <= LONGEST_NAME:
        return name
    return f"goap-budget-{hashlib.sha256(volume.encode()).hexdigest()[:32]}"


def begun_name(slot: int) -> str:
    """Where the call of a reservation is said; empty: the money was given back."""
    return f"{slot}/begun"


def carry(  # noqa: PLR0913 - a call says everything that its launcher knows
    key: str,
    over: Sequence[str] = (),
    *,
    volume: str,
    deadline: float | None = None,
    timeout: int = TIMEOUT_SECONDS,
    gpu: str = "",
    usd_per_hour: tuple[float, float, float] | None = None,
    nodes: int = 1,
    slot: int | None = None,
) -> dict[str, Any]:
    """Count this start, then carry `key`; what it takes and returns is that of the carrier.

    Returns:
        ``{"status", "step", "target", "call"}``; ``{"duplicate_of": call}``; or
        ``{"stopped": why}`` where it died too often, came late, or misses what it needs.
    """
    call = modal.current_function_call_id() or "unknown"
    starts = _begun(call, key, counts=nodes == 1 or _is_first())
    if starts > MOST_STARTS:
        return give_up(call, f"call {call} {_DIED}", "modal app logs says more of its container")
    if slot is not None and not _begin_reserved(call, volume, slot):
        return give_up(call, f"call {call} came late: {_GIVEN_BACK}", _AGAIN, "came_late")
    try:
        from training.compute.modal import carrier  # noqa: PLC0415 - it is counted first
    except ImportError as error:
        return give_up(call, f"call {call} cannot begin: {_words(error)}", _REINSTALL)
    return carrier.carry(
        key,
        over,
        volume=volume,
        deadline=deadline,
        timeout=timeout,
        gpu=gpu,
        usd_per_hour=usd_per_hour,
        nodes=nodes,
    )


def join(target: str, staged: str, sha256: str, *, volume: str, mode: int = 0o644) -> bool:
    """Count this start, then join pieces; what it takes and returns is that of the joiner."""
    _begun(modal.current_function_call_id() or "unknown", "")
    from training.compute.modal import joiner  # noqa: PLC0415 - likewise

    return joiner.join(target, staged, sha256, volume=volume, mode=mode)


def make(
    key: str,
    over: Sequence[str] = (),
    *,
    volume: str,
    usd_per_hour: tuple[float, float, float] | None = None,
) -> dict[str, Any]:
    """Count this start, then make the data of `key`; what it takes and returns is the maker's."""
    call = modal.current_function_call_id() or "unknown"
    if _begun(call, key) > MOST_STARTS:
        said = f"call {call} died {MOST_STARTS} times: most likely it has too little memory"
        return give_up(call, said, "more memory= of the training, then run it again")
    try:
        from training.compute.modal import maker  # noqa: PLC0415 - likewise
    except ImportError as error:
        return give_up(call, f"call {call} cannot begin: {_words(error)}", _REINSTALL)
    return maker.make(key, over, volume=volume, usd_per_hour=usd_per_hour)


def prove(requirements: Sequence[str], source: str, smoke: str = "") -> dict[str, Any]:
    """Count this start, then prove the image; what it takes and returns is that of the prover."""
    call = modal.current_function_call_id() or "unknown"
    starts = _begun(call, "")
    if starts > MOST_STARTS:
        said = f"the proof died {MOST_STARTS} times: most likely it has too little memory"
        return {"failed": said, "code": CRASH_LOOP, "fix": "a smaller smoke=, or without it"}
    try:
        from training.compute.modal import prover  # noqa: PLC0415 - likewise
    except ImportError as error:
        said = f"the proof cannot begin: {_words(error)}"
        return {"failed": said, "code": CRASH_LOOP, "fix": _REINSTALL}
    return prover.prove(requirements, source, smoke)


_DIED: Final = f"died {MOST_STARTS} times without a new checkpoint or a sign of life"
_AGAIN: Final = "run the same command again"
_GIVEN_BACK: Final = "what was set aside for it was given back"
_REINSTALL: Final = "python -m pip install --force-reinstall goap-modal-agents, then run it again"


def give_up(call: str, message: str, fix: str, name: str = CRASH_LOOP) -> dict[str, Any]:
    """Leave word of why a call ends before it trained; what it returns."""
    _kept().put(stopped_name(call), {"name": name, "message": message, "fix": fix})
    return {"stopped": message, "failed": message, "fix": fix}


def show_life(call: str) -> None:
    """Say that what this container was started for works: its starts are counted anew."""
    kept = _kept()
    kept.put(start_name(call), {**(kept.get(start_name(call)) or {}), "alive": time.time()})


def _begin_reserved(call: str, volume: str, slot: int) -> bool:
    """Whether what was set aside for a call is still there: its launcher was not taken for dead."""
    reserved = modal.Dict.from_name(budget_name(volume), create_if_missing=True)
    first = reserved.put(begun_name(slot), call, skip_if_exists=True)
    return first or reserved.get(begun_name(slot)) == call


def _is_first() -> bool:
    """Whether this container is the first of those that work on one call together."""
    import modal.experimental  # noqa: PLC0415 - only where there are several

    return bool(modal.experimental.get_cluster_info().rank == 0)


def _begun(call: str, key: str, *, counts: bool = True) -> int:
    """How often this call was started since its last sign of life, with this time.

    Of several containers at one call each says that it is there, and the first one counts.
    """
    kept, task = _kept(), os.environ.get("MODAL_TASK_ID", "")
    kept.put(task_name(task), call)
    if not counts:
        return 0
    if key:
        # a launcher that died right after the call finds it by this
        kept.put(f"call/{call}", key)
    known = kept.get(start_name(call)) or {}
    count = 1 if known.get("alive") else int(known.get("count", 0)) + 1
    before = known.get("task", "")
    started = {"count": count, "time": time.time(), "task": task, "before": before}
    kept.put(start_name(call), started)
    return count


def _kept() -> modal.Dict:
    return modal.Dict.from_name(CLAIMS_NAME, create_if_missing=True)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
