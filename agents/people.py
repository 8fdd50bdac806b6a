"""What a person says to a run: agree to its plan, or ask it to end."""

from pathlib import Path

from agents.command import command
from agents.errors import UsageError
from agents.ledger.events import new_event
from agents.ledger.history import RunHistory, find_history
from agents.ledger.payloads import PlanApproved, PlanMade
from agents.ledger.store import Ledger
from agents.machine import account
from agents.run.cancelling import ask_to_end
from agents.run.lock import holders
from agents.run.question import LEDGER_NAME, read_ledger
from agents.schemas.models import ApprovedData, CancelledData
from agents.schemas.progress import paid_on

__all__ = ["approve", "cancel"]


def approve(state: Path, name: str, max_cost: float | None = None) -> ApprovedData:
    """Agree to the plan that a run stopped at: to its steps and all its values, once, up to a cap.

    Args:
        state: The state directory.
        name: The run, as `show` takes it.
        max_cost: The cap; by default that of the run, or what the plan may cost: whatever that is,
            where nobody knows it.

    Raises:
        UsageError: There is no such run, it asks for nothing, or a cap is given that cannot be
            kept because nobody knows the price.
    """
    asking = find_history(read_ledger(state), name)
    if not asking.plans or not asking.plans[-1].approval:
        raise UsageError(
            f"run {asking.run} asks for no approval", fix=command(f"show {asking.run}")
        )
    wanted = asking.plans[-1]
    approved = PlanApproved(
        run=asking.run,
        digest=wanted.digest,
        actions=wanted.approval,
        max_cost=_cap(asking, wanted, max_cost),
        by=account(),
    )
    with Ledger(state / LEDGER_NAME) as ledger:
        ledger.append(new_event(approved, subject=asking.run))
    return ApprovedData.model_validate(approved.to_json())


def _cap(asking: RunHistory, wanted: PlanMade, max_cost: float | None) -> float | None:
    if wanted.usd_range is None and max_cost is not None:
        raise UsageError(
            f"the price of the plan is unknown, so max_cost={max_cost:g} cannot be kept",
            fix=f"{command(f'approve {asking.run}')} agrees to whatever it costs",
        )
    cap = asking.max_cost if max_cost is None else max_cost
    return cap if cap is not None or wanted.usd_range is None else wanted.usd_range[-1]


def cancel(state: Path, name: str) -> CancelledData:
    """Ask a run to end, as Ctrl-C would; the next run of its goal continues.

    The run ends and nothing else: not the process of a watcher that it is in, and not what goes on
    without it. The answer says what does, and is paid for.

    Raises:
        UsageError: It is not running here.
    """
    owner = next((each for each in holders(state) if each.run == name), None)
    if owner is None:
        raise UsageError(f"the run {name} is not running", fix=command("runs"))
    goes_on = paid_on(read_ledger(state).of(run=name))
    ask_to_end(state, name)
    return CancelledData(run=name, pid=owner.pid, cancelled=True, goes_on=goes_on)
