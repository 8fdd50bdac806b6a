"""What containers cost: their seconds, as the control plane saw them, times a made-up price.

A report has a row for each app and each day or hour in which a container of it ran, from its
process on: what it costs a platform to bring one up is in no container's own seconds either.
"""

from __future__ import annotations  # older clients lack some of the messages named here

from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Final

from modal_proto import api_pb2 as pb

from training.compute.loopback.apps import App
from training.compute.loopback.messages import make
from training.compute.loopback.refusal import invalid
from training.compute.loopback.store import Store
from training.compute.loopback.used import tasks_used
from training.compute.loopback.world import Peer, World

__all__ = ["BillingAnswers"]

_SECONDS: Final = {"d": 86_400, "h": 3_600}


class BillingAnswers:
    """The RPCs about money.

    Args:
        world: The state.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    async def workspace_billing_rates(
        self, _: pb.WorkspaceBillingRatesRequest, __: Peer
    ) -> pb.WorkspaceBillingRatesResponse:
        """What things cost, as a test said; nothing costs anything here."""
        return make(pb.WorkspaceBillingRatesResponse, rates=self._world.rates, formatted="")

    async def workspace_billing_report(
        self, request: pb.WorkspaceBillingReportRequest, _: Peer
    ) -> AsyncIterator[pb.WorkspaceBillingReportItem]:
        """What containers used, for each app and each day or hour that is asked for in full."""
        length = _SECONDS.get(request.resolution)
        if length is None:
            raise invalid(f"resolution {request.resolution!r} is neither d nor h")
        begin = request.start_timestamp.seconds // length * length
        end = request.end_timestamp.seconds // length * length
        per_second = self._world.usd_per_hour / 3600
        seconds = _by_interval(self._world.store, length, begin, end)
        for (identity, start), used in sorted(seconds.items()):
            app = self._world.apps.get(identity)
            cost = f"{used * per_second:.6f}"
            item = make(pb.WorkspaceBillingReportItem, object_id=identity, description=app.name)
            item.environment_name, item.cost = "main", cost
            item.interval.seconds = start
            item.tags.update(_asked(app, list(request.tag_names)))
            item.cost_by_resource["cpu"] = cost
            yield item


def _by_interval(store: Store, length: int, begin: int, end: int) -> dict[tuple[str, int], float]:
    """Seconds of containers by app and beginning of an interval."""
    found: defaultdict[tuple[str, int], float] = defaultdict(float)
    for app, began, ended in tasks_used(store):
        start = max(begin, int(began) // length * length)
        while start < min(end, ended):
            used = min(ended, start + length) - max(began, start)
            if used > 0:
                found[app, start] += used
            start += length
    return found


def _asked(app: App, names: list[str]) -> dict[str, str]:
    return {name: value for name, value in app.tags.items() if "*" in names or name in names}
