"""Several containers at one call: how the client declares them, and where one stands among them.

The client 1.6.4 has `modal.clustered`, 1.5.4 `modal.experimental.clustered`; both have
`modal.experimental.get_cluster_info` (`modal/_partial_function.py`, `modal/_cluster.py`).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from training.errors import ConfigError

if TYPE_CHECKING:
    from training.runner.nodes import Nodes

__all__ = ["clustered", "nodes_here"]


def clustered(function: Callable[..., Any], size: int) -> Any:
    """A function whose calls have so many containers; itself for one.

    Raises:
        ConfigError: The client has no such thing.
    """
    if size == 1:
        return function
    import modal.experimental  # noqa: PLC0415 - only where there are several

    for module in (modal, modal.experimental):
        if hasattr(module, "clustered"):
            return module.clustered(size=size)(function)
    raise ConfigError(
        f"nodes={size}: the modal client {modal.__version__} has no clustered functions",
        fix="pip install -U 'modal>=1.5,<1.7'; or nodes=1",
        code="no_clusters",
    )


def nodes_here(key: str, call: str, size: int) -> "Nodes | None":
    """Where this container stands among those of its call; None where it is alone.

    Args:
        key: The training.
        call: The id of the call.
        size: How many containers it has.
    """
    if size == 1:
        return None
    import modal.experimental  # noqa: PLC0415 - as above

    from training.runner.nodes import Nodes  # noqa: PLC0415

    info = modal.experimental.get_cluster_info()
    return Nodes(info.rank, tuple(info.container_ips), f"{key}/{call}")
