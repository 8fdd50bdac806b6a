"""Where the boxes of a plan go: stages from left to right, crossings kept few.

Edges that skip stages pass through invisible places, so that they bend around boxes. Within a
stage the order follows the middle of the neighbours, sweeping back and forth (Sugiyama, Tagawa
and Toda, 1981). Everything is deterministic.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Box", "Layout", "lay_out"]

_SWEEPS = 8
_ROW = 64.0
_THIN_ROW = 26.0
_COLUMN_GAP = 150.0
_MARGIN = 28.0


@dataclass(slots=True)
class Box:
    """A place in the picture; one without width is where an edge passes.

    Attributes:
        name: What stands there.
        width: In pixels.
        height: In pixels.
        x: Of the left edge.
        y: Of the middle.
    """

    name: str
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0


@dataclass(frozen=True, slots=True)
class Layout:
    """A finished layout.

    Attributes:
        boxes: By name.
        routes: For each edge the boxes it connects or passes, from left to right.
        width: Of the whole picture.
        height: Of the whole picture.
    """

    boxes: Mapping[str, Box]
    routes: Mapping[tuple[str, str], list[Box]]
    width: float
    height: float


def lay_out(columns: list[list[Box]], edges: Iterable[tuple[str, str]], top: float = 0.0) -> Layout:
    """Place boxes given column by column.

    Args:
        columns: The boxes of each stage in their given order; edges lead to later columns.
        edges: Pairs of names.
        top: Free space above.
    """
    columns = [list(column) for column in columns]
    boxes = {box.name: box for column in columns for box in column}
    column_of = {box.name: i for i, column in enumerate(columns) for box in column}
    routes: dict[tuple[str, str], list[Box]] = {}
    for before, after in edges:
        route = [boxes[before]]
        for number in range(column_of[before] + 1, column_of[after]):
            passing = Box(f"{before}\0{after}\0{number}", 0.0, 0.0)
            columns[number].append(passing)
            route.append(passing)
        routes[before, after] = [*route, boxes[after]]
    neighbours = _neighbours(routes)
    for sweep in range(_SWEEPS):
        _sort(columns, neighbours, forwards=sweep % 2 == 0)
    height = _set_rows(columns, neighbours, top + _MARGIN)
    width = _set_columns(columns)
    return Layout(boxes, routes, width, height + _MARGIN)


def _neighbours(
    routes: Mapping[tuple[str, str], list[Box]],
) -> dict[str, tuple[list[str], list[str]]]:
    found: dict[str, tuple[list[str], list[str]]] = {}
    for route in routes.values():
        for left, right in pairwise(route):
            found.setdefault(right.name, ([], []))[0].append(left.name)
            found.setdefault(left.name, ([], []))[1].append(right.name)
    return found


def _sort(
    columns: list[list[Box]],
    neighbours: Mapping[str, tuple[list[str], list[str]]],
    *,
    forwards: bool,
) -> None:
    """Order each column by the middle of its neighbours in the one before."""
    place = {
        box.name: (row + 0.5) / len(column) for column in columns for row, box in enumerate(column)
    }
    for column in columns if forwards else reversed(columns):
        wanted = {}
        for box in column:
            others = neighbours.get(box.name, ([], []))[0 if forwards else 1]
            wanted[box.name] = (
                sum(place[o] for o in others) / len(others) if others else place[box.name]
            )
        column.sort(key=lambda box: wanted[box.name])
        for row, box in enumerate(column):
            place[box.name] = (row + 0.5) / len(column)


def _set_rows(
    columns: list[list[Box]], neighbours: Mapping[str, tuple[list[str], list[str]]], top: float
) -> float:
    """Give every box its height: near its neighbours, never nearer than a row to the next."""
    y = {}
    for column in columns:
        at = 0.0
        for box in column:
            at += _room(box) / 2
            y[box.name] = at
            at += _room(box) / 2
    tallest = max((y[c[-1].name] + _room(c[-1]) / 2 for c in columns if c), default=0.0)
    for column in columns:
        used = sum(_room(box) for box in column)
        for box in column:
            y[box.name] += (tallest - used) / 2
    for sweep in range(_SWEEPS):
        for column in columns if sweep % 2 == 0 else reversed(columns):
            _relax(column, neighbours, y, tallest)
    for column in columns:
        for box in column:
            box.y = y[box.name] + top
    return tallest + top


def _relax(
    column: list[Box],
    neighbours: Mapping[str, tuple[list[str], list[str]]],
    y: dict[str, float],
    tallest: float,
) -> None:
    for box in column:
        left, right = neighbours.get(box.name, ([], []))
        others = left + right
        if others:
            y[box.name] = sum(y[other] for other in others) / len(others)
    floor = 0.0
    for box in column:
        y[box.name] = max(y[box.name], floor + _room(box) / 2)
        floor = y[box.name] + _room(box) / 2
    ceiling = tallest
    for box in reversed(column):
        y[box.name] = min(y[box.name], ceiling - _room(box) / 2)
        ceiling = y[box.name] - _room(box) / 2


def _room(box: Box) -> float:
    return max(_ROW, box.height + 20) if box.width else _THIN_ROW


def _set_columns(columns: list[list[Box]]) -> float:
    x = _MARGIN
    for column in columns:
        widest = max((box.width for box in column), default=0.0)
        for box in column:
            box.x = x if not box.width else x + (widest - box.width) / 2
            if not box.width:
                box.x = x + widest / 2
        x += widest + _COLUMN_GAP
    return max(x - _COLUMN_GAP, 0.0) + _MARGIN
