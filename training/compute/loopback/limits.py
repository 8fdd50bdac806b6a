"""How long things take, how many there are, and what is allowed: switches of the platform."""

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass
class Limits:
    """How long, in seconds, and how many.

    Attributes:
        grace: From an interruption to SIGKILL.
        idle: How long a container without an input stays.
        caller: How long nobody may ask for a synchronous call before it ends.
        client: How long an ephemeral app's client may be silent.
        containers: How many may run at once; the others wait.
        queue: How long a call that wants a GPU waits for one, from when it was made.
        starts: After how many containers that ended before they asked for an input a call of a
            deployed app fails; 0: never, as on the platform.
        own_cancel: Whether a container may cancel the call that it has.
    """

    grace: float = 30.0
    idle: float = 1.0
    caller: float = 5.0
    client: float = 60.0
    containers: int = 4
    queue: float = 0.0
    starts: int = 0
    own_cancel: bool = True
