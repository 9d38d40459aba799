"""Pictures of prices over time, by matplotlib, which is an optional library: PNG, SVG or PDF."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from shared.chart_data import Candlestick, Point, zone_name
from shared.errors import MissingLibrary

SUFFIXES = (".png", ".svg", ".pdf")

_SIZE = (11, 6.2)  # inches
_DOTS_PER_INCH = 150
_BODY = 0.7  # of the distance between two candles
# With more candles than this, bodies would be thinner than a line.
_MOST_BODIES = 400
_TICKS = 8
_AROUND_ONE_TIME = timedelta(hours=12)
_RISING, _FALLING, _GREY = "#1a9850", "#d73027", "#5f6b7a"
_LINES = ("#1f77b4", "#ff7f0e", "#2ca02c", "#9467bd", "#d62728", "#17becf", "#8c564b", "#e377c2")


def save_lines(
    path: Path, form: str, title: str, lines: Mapping[str, Sequence[Point]], unit: str, zone: tzinfo = UTC
) -> None:
    """Write a picture of one line per label, in a form such as `png`. Raises MissingLibrary.

    `unit` describes the prices. Times are shown in the time zone.
    """
    figure = _new_figure()
    axes = figure.add_subplot()
    for number, (label, points) in enumerate(lines.items()):
        colour = _LINES[number % len(_LINES)]
        prices = [float(price) for _, price in points]
        axes.plot([at for at, _ in points], prices, linewidth=1.3, color=colour, label=label)
        if len(points) == 1:
            axes.plot([points[0][0]], prices, marker="o", color=colour)
    times = [at for points in lines.values() for at, _ in points]
    if min(times) == max(times):
        axes.set_xlim(times[0] - _AROUND_ONE_TIME, times[0] + _AROUND_ONE_TIME)
    _use_time_axis(axes, zone)
    if len(lines) > 1:
        axes.legend(frameon=False, loc="best", ncols=min(4, len(lines)))
    _finish(figure, axes, title, unit)
    axes.set_xlabel(f"time ({zone_name(zone)})")
    figure.savefig(path, format=form, dpi=_DOTS_PER_INCH)


def save_candles(
    path: Path, form: str, title: str, candles: Sequence[Candlestick], unit: str, zone: tzinfo = UTC
) -> None:
    """Write a picture of candles side by side, so that closed hours take no room, and of their volumes if known."""
    figure = _new_figure()
    has_volume = any(candle.volume for candle in candles)
    if has_volume:
        axes, below = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [4, 1], "hspace": 0.06})
        _draw_volumes(below, candles)
    else:
        axes = below = figure.add_subplot()
    if len(candles) <= _MOST_BODIES:
        _draw_bodies(axes, candles)
    else:
        _draw_band(axes, candles)
    _label_candles(below, [candle.start for candle in candles], zone)
    _finish(figure, axes, title, unit)
    below.set_xlabel(f"start of each candle ({zone_name(zone)})")
    figure.align_ylabels()
    figure.savefig(path, format=form, dpi=_DOTS_PER_INCH)


def _new_figure() -> Any:
    """Return a figure that draws into memory and that no global state of matplotlib knows."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingLibrary("matplotlib") from error
    figure = Figure(figsize=_SIZE, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _draw_bodies(axes: Any, candles: Sequence[Candlestick]) -> None:
    from matplotlib.collections import LineCollection, PatchCollection
    from matplotlib.patches import Rectangle

    colours = [_RISING if candle.close >= candle.open else _FALLING for candle in candles]
    wicks = [((place, float(each.low)), (place, float(each.high))) for place, each in enumerate(candles)]
    axes.add_collection(LineCollection(wicks, colors=colours, linewidths=0.9))
    least = _range(candles) / 500
    bodies = [
        Rectangle(
            (place - _BODY / 2, float(min(each.open, each.close))),
            _BODY,
            max(abs(float(each.close - each.open)), least),
        )
        for place, each in enumerate(candles)
    ]
    axes.add_collection(PatchCollection(bodies, facecolors=colours, edgecolors="none"))
    axes.autoscale_view()
    axes.set_xlim(-1, len(candles))


def _draw_band(axes: Any, candles: Sequence[Candlestick]) -> None:
    places = range(len(candles))
    lows, highs = [float(each.low) for each in candles], [float(each.high) for each in candles]
    axes.fill_between(places, lows, highs, color=_LINES[0], alpha=0.25, linewidth=0, label="low to high")
    axes.plot(places, [float(each.close) for each in candles], color=_LINES[0], linewidth=1, label="close")
    axes.legend(frameon=False, loc="best")
    axes.set_xlim(-1, len(candles))


def _draw_volumes(axes: Any, candles: Sequence[Candlestick]) -> None:
    from matplotlib.ticker import EngFormatter

    colours = [_RISING if each.close >= each.open else _FALLING for each in candles]
    axes.bar(range(len(candles)), [each.volume or 0 for each in candles], width=_BODY, color=colours, alpha=0.5)
    axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    axes.yaxis.get_major_locator().set_params(nbins=3)
    axes.set_ylabel("volume", color=_GREY)
    _style(axes)


def _range(candles: Sequence[Candlestick]) -> float:
    return float(max(each.high for each in candles) - min(each.low for each in candles))


def _label_candles(axes: Any, starts: Sequence[datetime], zone: tzinfo) -> None:
    step = max(1, -(-len(starts) // _TICKS))
    local = [start.astimezone(zone) for start in starts]
    days = (local[-1] - local[0]).days
    form = "%Y-%m-%d" if days > 2 * len(starts) / _TICKS or all(_is_midnight(each) for each in local) else "%m-%d %H:%M"
    axes.set_xticks(range(0, len(starts), step), [f"{each:{form}}" for each in local[::step]])


def _is_midnight(moment: datetime) -> bool:
    return moment.hour == moment.minute == moment.second == 0


def _use_time_axis(axes: Any, zone: tzinfo) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(tz=zone, maxticks=_TICKS)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=zone))  # type: ignore[no-untyped-call]
    axes.margins(x=0.01)


def _finish(figure: Any, axes: Any, title: str, unit: str) -> None:
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    axes.set_ylabel(unit, color=_GREY)
    axes.ticklabel_format(axis="y", style="plain", useOffset=False)
    _style(axes)


def _style(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#c3c9d1")
    axes.tick_params(colors=_GREY, length=3)
    axes.grid(visible=True, color="#e6e9ed", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.xaxis.label.set_color(_GREY)
