"""Charts of prices over time as lines of text, for a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any, NamedTuple

from shared.chart_data import Candlestick, Point

MARK = "▲"
_TICKS = 5
# A terminal shows two points per column. More points take time and change nothing.
_POINTS_PER_COLUMN = 4
# Columns that a chart needs beside its candles.
_FRAME = 12
_COLOURS = ("blue", "orange", "green", "magenta", "cyan", "red")


class Size(NamedTuple):
    """The columns and lines of a chart."""

    width: int
    height: int


def draw_price_chart(
    title: str,
    lines: Mapping[str, Sequence[Point]],
    size: Size,
    *,
    marked: Sequence[Point] = (),
    zone: tzinfo = UTC,
    colours: bool = False,
) -> Iterator[str]:
    """Yield the text of a chart of one line per label, with a mark at each of the marked points."""
    plotext = _new_figure(title, size)
    for number, (label, points) in enumerate(lines.items()):
        drawn = _thin_out(points, size.width * _POINTS_PER_COLUMN)
        plotext.plot(
            [at.timestamp() for at, _ in drawn],
            [float(price) for _, price in drawn],
            marker="braille",
            color=_COLOURS[number % len(_COLOURS)],
            label=label if len(lines) > 1 else None,
        )
    if marked:
        plotext.scatter([at.timestamp() for at, _ in marked], [float(price) for _, price in marked], marker=MARK)
    first = min(points[0][0] for points in lines.values())
    last = max(points[-1][0] for points in lines.values())
    plotext.xticks(*_ticks(first.timestamp(), last.timestamp(), zone))
    yield from _text(plotext, colours=colours)


def can_show_candles(count: int, size: Size) -> bool:
    """Return True if a chart of this size has a column for each candle."""
    return count <= size.width - _FRAME


def draw_candle_chart(
    title: str, candles: Sequence[Candlestick], size: Size, *, zone: tzinfo = UTC, colours: bool = False
) -> Iterator[str]:
    """Yield the text of a chart of candles side by side, so that closed hours take no room."""
    plotext = _new_figure(title, size)
    plotext.date_form("Y-m-d")
    # The library places candles by dates.
    places = [str(date(1970, 1, 1) + timedelta(days=number)) for number in range(len(candles))]
    prices = {
        name.title(): [float(getattr(candle, name)) for candle in candles] for name in ("open", "high", "low", "close")
    }
    plotext.candlestick(places, prices, colors=["green", "red"])
    step = max(1, (len(candles) - 1) // (_TICKS - 1))
    form = _tick_form(candles[0].start.timestamp(), candles[-1].start.timestamp())
    labels = [f"{candle.start.astimezone(zone):{form}}" for candle in candles]
    plotext.xticks(places[::step], labels[::step])
    yield from _text(plotext, colours=colours)


def _new_figure(title: str, size: Size) -> Any:
    # A library that only a chart needs.
    import plotext

    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plotsize(*size)
    plotext.title(title)
    return plotext


def _text(plotext: Any, *, colours: bool) -> list[str]:
    built: str = plotext.build()
    return (built if colours else plotext.uncolorize(built)).rstrip("\n").split("\n")


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


def _ticks(first: float, last: float, zone: tzinfo) -> tuple[list[float], list[str]]:
    """Return places and labels on the axis of times."""
    step = (last - first) / (_TICKS - 1)
    places = [first + number * step for number in range(_TICKS)] if step else [first]
    form = _tick_form(first, last)
    return places, [datetime.fromtimestamp(place, zone).strftime(form) for place in places]


def _tick_form(first: float, last: float) -> str:
    """Return the form of dates, or of times of the day within two days."""
    return "%Y-%m-%d" if last - first > 2 * 86_400 else "%d %H:%M"


def _price(point: Point) -> Decimal:
    return point[1]
