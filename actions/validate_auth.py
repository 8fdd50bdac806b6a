"""validate-auth: does the compute accept our credentials?"""

from collections.abc import Callable, Sequence

from actions.ports import ports_of, translated
from actions.rates import note_rates
from agents.declare.actions import Action, Context, action, sensor
from agents.declare.context import P
from agents.declare.facts import UNKNOWN, Reading
from agents.declare.outcome import Outcome
from goals.placed import PlacedParameters
from goals.world import F
from training.compute.recipe import Hardware
from training.errors import AuthenticationError

__all__ = ["auth_valid", "validating"]


@sensor(F.auth_valid, parameters=PlacedParameters, timeout=10)
def auth_valid(context: Context[PlacedParameters]) -> Reading:
    """Valid without asking when nothing is needed; otherwise known once it was asked.

    Raises:
        Transient: It was to be asked, and nobody answers.
        Unauthenticated: Our credentials are refused.
    """
    compute = ports_of(context).compute
    try:
        seen = compute.auth_seen()
    except AuthenticationError as error:
        return Reading(False, error.message)
    if seen is None and context.asking:
        with translated():
            seen = compute.check_auth()
    if seen is None:
        if compute.name == "loopback":
            return Reading(UNKNOWN, "the rehearsal plane does not run: the first step starts it")
        return Reading(UNKNOWN, f"credentials for {compute.name} found, not tried yet")
    return Reading(seen.valid, seen.evidence)


def validating(
    parameters: type[P],
    seconds: Callable[[P], float],
    hardware: Callable[[P], Sequence[Hardware]],
) -> Action:
    """The action for goals of these parameters.

    Args:
        parameters: Their type.
        seconds: How long the credentials have to be accepted.
        hardware: What each of its steps runs on.
    """

    # one attempt: whoever cannot be reached now is reached by running again, which is said at once
    @action(
        effect=F.auth_valid,
        parameters=parameters,
        seconds=2,
        timeout=30,
        attempts=1,
        only_looks=True,
        touches=(),
    )
    def validate_auth(context: Context[P]) -> Outcome:
        """Ask the compute whether it accepts our credentials, and on Modal what an hour costs."""
        compute = ports_of(context).compute
        with translated():
            auth = compute.check_auth(seconds(context.params))
        if compute.name == "modal":
            for text in note_rates(context.state, compute, hardware(context.params)):
                context.note(text)
        return Outcome(summary=auth.evidence)

    return validate_auth
