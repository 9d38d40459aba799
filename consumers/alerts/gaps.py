"""Gaps between the levels of rules: while a number stays within one, no rule changes, and the index is not asked."""

import json
from collections.abc import Iterable, Sequence
from functools import cache

from sqlalchemy import Connection, Double, Integer, TextualSelect, column, text

from consumers.alerts.conditions.base import Direction
from consumers.alerts.conditions.metrics import Metric
from consumers.alerts.numbers import Numbers
from consumers.alerts.rules.models import EVERY_SYMBOL
from consumers.alerts.tables import rule_levels

_FARTHEST = 1e300
# The relative width of the border of a gap within which a number counts as outside: positions may be rounded.
_BORDER = 1e-9

Place = tuple[str, Metric]


class Gaps:
    """The gap around the last position of each number, as far as known."""

    def __init__(self) -> None:
        self._gaps: dict[str, dict[Metric, tuple[float, float]]] = {}
        self._left: dict[Place, float] = {}

    def clear(self) -> None:
        """Forget all gaps, because the rules or the last prices have changed."""
        self._gaps.clear()
        self._left.clear()

    def forget(self, symbol: str) -> None:
        """Forget the gaps of a symbol, whose last numbers are not compared with the next."""
        self._gaps.pop(symbol, None)

    def leaving(self, symbol: str, metrics: Iterable[Metric], numbers: Numbers, price: float) -> list[Metric]:
        """Return the numbers of an event that have left the gaps of their last positions. `price` is the event's."""
        gaps = self._gaps.get(symbol) or {}
        left = []
        for metric, position in numbers.positions(metrics, price):
            gap = gaps.get(metric)
            if gap is None or not gap[0] < position < gap[1]:
                gaps.pop(metric, None)
                self._left[symbol, metric] = position
                left.append(metric)
        return left

    def load(self, connection: Connection) -> None:
        """Read the gaps around the numbers that have left theirs."""
        if not self._left:
            return
        places = list(self._left.items())
        self._left = {}
        found = {place: (-_FARTHEST, _FARTHEST) for place, _ in places}
        statement = _neighbours(connection.dialect.name)
        for number, below, above in connection.execute(statement, {"places": json.dumps([*_rows(places)])}):
            place = places[number][0]
            low, high = found[place]
            found[place] = (
                low if below is None else max(low, below + _BORDER * (abs(below) + _BORDER)),
                high if above is None else min(high, above - _BORDER * (abs(above) + _BORDER)),
            )
        for (symbol, metric), gap in found.items():
            self._gaps.setdefault(symbol, {})[metric] = gap


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
        SELECT place.number,
               (SELECT max(near.level) {of_place} AND near.level <= place.position),
               (SELECT min(near.level) {of_place} AND near.level >= place.position)
        FROM ({_PLACES[dialect]}) AS place
    """  # noqa: S608 - names of ours
    return text(sql).columns(column("number", Integer), column("below", Double), column("above", Double))
