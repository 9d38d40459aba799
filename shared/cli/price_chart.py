"""A chart of prices over time as lines of text, for a terminal."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal

Point = tuple[datetime, Decimal]

MARK = "▲"
_TICKS = 5
# A terminal shows two points per column. More points take time and change nothing.
_POINTS_PER_COLUMN = 4


def draw_price_chart(
    title: str, points: Sequence[Point], marked: Sequence[Point], width: int, height: int
) -> Iterator[str]:
    """Yield the lines of a chart with a mark at each of the marked points. Times are UTC."""
    # A library that only a chart needs.
    import plotext

    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plotsize(width, height)
    plotext.title(title)
    drawn = _thin_out(points, width * _POINTS_PER_COLUMN)
    plotext.plot([at.timestamp() for at, _ in drawn], [float(price) for _, price in drawn], marker="braille")
    if marked:
        plotext.scatter([at.timestamp() for at, _ in marked], [float(price) for _, price in marked], marker=MARK)
    plotext.xticks(*_ticks(points[0][0].timestamp(), points[-1][0].timestamp()))
    yield from plotext.uncolorize(plotext.build()).rstrip("\n").split("\n")


def _thin_out(points: Sequence[Point], most: int) -> list[Point]:
    """Return the lowest and the highest point of each part of the time, in the order of their times."""
    if len(points) <= most:
        return list(points)
    size = -(-len(points) * 2 // most)
    found: list[Point] = []
    for start in range(0, len(points), size):
        part = points[start : start + size]
        found += sorted({min(part, key=_price), max(part, key=_price)})
    return found


def _ticks(first: float, last: float) -> tuple[list[float], list[str]]:
    """Return places and labels on the axis of times: dates, or times of the day within two days."""
    step = (last - first) / (_TICKS - 1)
    places = [first + number * step for number in range(_TICKS)] if step else [first]
    form = "%Y-%m-%d" if last - first > 2 * 86_400 else "%d %H:%M"
    return places, [datetime.fromtimestamp(place, UTC).strftime(form) for place in places]


def _price(point: Point) -> Decimal:
    return point[1]
