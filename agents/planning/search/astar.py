"""A*, over a graph that is expanded where it looks.

`networkx` has one as well; importing that package takes longer than planning does.
"""

from heapq import heappop, heappush
from itertools import count
from typing import Protocol

__all__ = ["Graph", "cheapest_path"]


class Graph(Protocol):
    """A graph whose nodes are numbers; costs are whole numbers, never negative."""

    def successors(self, node: int) -> dict[int, int]:
        """The neighbours of a node with the cost of getting there."""

    def estimated(self, node: int) -> int:
        """What the way from a node to the target costs at least; asked when a node is first seen.

        Whoever is asked may know more later: a way found later to the same node has this estimate.
        """


def cheapest_path(graph: Graph, source: int, target: int, cutoff: int) -> list[int] | None:
    """The nodes of the cheapest path, both ends included; of equals the one found first.

    Args:
        graph: What is searched.
        source: Where the path begins.
        target: Where it ends.
        cutoff: Paths that cost more are of no interest.

    Returns:
        `None` if there is no such path.
    """
    order = count()
    waiting = [(0, next(order), source, 0, source)]
    cheapest: dict[int, tuple[int, int]] = {}  # node → the cost of getting there, and its estimate
    came_from: dict[int, int] = {}
    while waiting:
        _, _, node, so_far, before = heappop(waiting)
        if node in came_from and (node == source or cheapest[node][0] < so_far):
            continue  # a cheaper way there was gone already
        came_from[node] = before
        if node == target:
            return _back_from(node, source, came_from)
        for neighbour, cost in graph.successors(node).items():
            total = so_far + cost
            known = cheapest.get(neighbour)
            if known is not None and known[0] <= total:
                continue
            estimate = graph.estimated(neighbour) if known is None else known[1]
            if total + estimate <= cutoff:
                cheapest[neighbour] = total, estimate
                heappush(waiting, (total + estimate, next(order), neighbour, total, node))
    return None


def _back_from(node: int, source: int, came_from: dict[int, int]) -> list[int]:
    path = [node]
    while node != source:
        node = came_from[node]
        path.append(node)
    return path[::-1]
