"""Everything one control plane holds."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from training.compute.loopback.apps import Apps
from training.compute.loopback.blobs import Blobs
from training.compute.loopback.buckets import Buckets
from training.compute.loopback.calls import Calls
from training.compute.loopback.container import Container
from training.compute.loopback.containers import Containers, Sources
from training.compute.loopback.dicts import Dicts
from training.compute.loopback.faults import Faults
from training.compute.loopback.images import Images
from training.compute.loopback.limits import Limits
from training.compute.loopback.mounts import Mounts
from training.compute.loopback.queues import Queues
from training.compute.loopback.secrets import Secrets
from training.compute.loopback.store import Store
from training.compute.loopback.tokens import Token, Tokens
from training.compute.loopback.volumes import Volumes

__all__ = ["Peer", "World", "make_world"]


@dataclass(frozen=True)
class Peer:
    """Who asks: a client with a token, or a container."""

    token: Token | None = None
    container: Container | None = None


@dataclass
class World:
    """The parts of a control plane.

    Attributes:
        files: The address bytes are put to and fetched from.
        rates: Dollars by name, as they are listed; made up by whoever rehearses.
        usd_per_hour: What an hour of any container costs, on the bill; made up as well.
    """

    store: Store
    blobs: Blobs
    tokens: Tokens
    faults: Faults
    dicts: Dicts
    queues: Queues
    mounts: Mounts
    secrets: Secrets
    buckets: Buckets
    volumes: Volumes
    images: Images
    apps: Apps
    calls: Calls
    containers: Containers
    files: str = ""
    rates: dict[str, str] = field(default_factory=dict)
    usd_per_hour: float = 0.0


def make_world(
    root: Path,
    listen: Callable[[Container], Awaitable[tuple[int, Callable[[], None]]]],
    limits: Limits,
    retry_scale: float,
) -> World:
    """Read what is kept below `root`, or begin afresh there."""
    root.mkdir(parents=True, exist_ok=True)
    store, blobs = Store(root / "state.sqlite"), Blobs(root / "blobs")
    apps, mounts = Apps(store), Mounts(store, blobs)
    volumes, images = Volumes(store, blobs), Images(store, root / "images")
    secrets, buckets = Secrets(store), Buckets(store)
    sources = Sources(apps, images, mounts, volumes, secrets, buckets, store)
    containers = Containers(sources, root / "containers", limits, listen)
    containers.clean()
    calls = Calls(store, apps, containers.schedule, retry_scale)
    containers.calls = calls
    return World(
        store=store,
        blobs=blobs,
        tokens=Tokens(store),
        faults=Faults(),
        dicts=Dicts(store),
        queues=Queues(store),
        mounts=mounts,
        secrets=secrets,
        buckets=buckets,
        volumes=volumes,
        images=images,
        apps=apps,
        calls=calls,
        containers=containers,
    )
