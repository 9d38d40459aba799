"""Gaps between the levels of rules: while a number stays within one, no rule changes, and the index is not asked."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from sqlalchemy import Connection, Double, Integer, Text, TextualSelect, column, text

from consumers.alerts.conditions.base import Direction
from consumers.alerts.conditions.metrics import Metric
from consumers.alerts.numbers import Numbers
from consumers.alerts.rules.models import EVERY_SYMBOL
from consumers.alerts.tables import rule_levels

_FARTHEST = 1e300
# The relative width of the border of a gap within which a number counts as outside: positions may be rounded.
_BORDER = 1e-9

Place = tuple[str, Metric]


class _Gap(NamedTuple):
    """The gap around a position between the levels of both directions, and those between the levels of each."""

    low: float
    high: float
    by_direction: Mapping[Direction, tuple[float, float]]

    def left(self, position: float) -> tuple[Direction, ...]:
        """Return the directions of the levels that may have been passed on the way to a position."""
        return tuple(direction for direction, (low, high) in self.by_direction.items() if not low < position < high)


_DIRECTIONS = tuple(Direction)


class Gaps:
    """The gaps around the last position of each number, as far as known."""

    def __init__(self) -> None:
        self._gaps: dict[str, dict[Metric, _Gap]] = {}
        self._left: dict[Place, float] = {}

    def clear(self) -> None:
        """Forget all gaps, because the rules or the last prices have changed."""
        self._gaps.clear()
        self._left.clear()

    def forget(self, symbol: str) -> None:
        """Forget the gaps of a symbol, whose last numbers are not compared with the next."""
        self._gaps.pop(symbol, None)

    def leaving(
        self, symbol: str, metrics: Iterable[Metric], numbers: Numbers, price: float
    ) -> list[tuple[Metric, Sequence[Direction]]]:
        """Return the numbers of an event that have left the gaps of their last positions. `price` is the event's.

        Each comes with the directions of the levels that the number may have passed.
        """
        gaps = self._gaps.get(symbol) or {}
        left: list[tuple[Metric, Sequence[Direction]]] = []
        for metric, position in numbers.positions(metrics, price):
            gap = gaps.get(metric)
            if gap is None or not gap.low < position < gap.high:
                gaps.pop(metric, None)
                self._left[symbol, metric] = position
                left.append((metric, _DIRECTIONS if gap is None else gap.left(position)))
        return left

    def load(self, connection: Connection) -> None:
        """Read the gaps around the numbers that have left theirs."""
        if not self._left:
            return
        places = list(self._left.items())
        self._left = {}
        found = {place: dict.fromkeys(_DIRECTIONS, (-_FARTHEST, _FARTHEST)) for place, _ in places}
        statement = _neighbours(connection.dialect.name)
        rows = connection.execute(statement, {"places": json.dumps([*_rows(places)])})
        for number, direction, below, above in rows:
            gaps = found[places[number][0]]
            low, high = gaps[Direction(direction)]
            gaps[Direction(direction)] = (
                low if below is None else max(low, below + _BORDER * (abs(below) + _BORDER)),
                high if above is None else min(high, above - _BORDER * (abs(above) + _BORDER)),
            )
        for (symbol, metric), gaps in found.items():
            low, high = max(low for low, _ in gaps.values()), min(high for _, high in gaps.values())
            self._gaps.setdefault(symbol, {})[metric] = _Gap(low, high, gaps)


def _rows(places: Sequence[tuple[Place, float]]) -> Iterable[tuple[int, str, str, str, float]]:
    for number, ((symbol, metric), position) in enumerate(places):
        for owner in (symbol, EVERY_SYMBOL):
            for direction in Direction:
                yield number, owner, metric.key, direction.value, position


_PLACES = {
    "sqlite": """
        SELECT json_extract(value, '$[0]') AS number, json_extract(value, '$[1]') AS owner,
               json_extract(value, '$[2]') AS metric, json_extract(value, '$[3]') AS direction,
               json_extract(value, '$[4]') AS position
        FROM json_each(:places)
    """,
    "postgresql": """
        SELECT CAST(value->>0 AS integer) AS number, value->>1 AS owner, value->>2 AS metric, value->>3 AS direction,
               CAST(value->>4 AS double precision) AS position
        FROM json_array_elements(CAST(:places AS json))
    """,
}


@cache
def _neighbours(dialect: str) -> TextualSelect:
    """Return the query of the nearest levels below and above each place."""
    of_place = f"""
        FROM {rule_levels.name} AS near
        WHERE near.symbol = place.owner AND near.metric = place.metric AND near.direction = place.direction
    """
    sql = f"""
        SELECT place.number, place.direction,
               (SELECT max(near.level) {of_place} AND near.level <= place.position),
               (SELECT min(near.level) {of_place} AND near.level >= place.position)
        FROM ({_PLACES[dialect]}) AS place
    """  # noqa: S608 - names of ours
    return text(sql).columns(
        column("number", Integer), column("direction", Text), column("below", Double), column("above", Double)
    )
