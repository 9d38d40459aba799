"""Charts of the rows of `stockwire history`, in the terminal or as a picture."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

import typer

from consumers.history.queries.comparable import comparable_series
from consumers.history.queries.rows import CandleRow, PriceRow
from consumers.history.queries.series import Series, find_series
from consumers.history.reading import Reading
from consumers.history.timeframes import Timeframe
from shared.chart_data import Point, zone_name
from shared.cli.escaping import escape
from shared.cli.exports import ExportFormat
from shared.cli.output import print_drawing, print_lines, shows_colours
from shared.cli.price_chart import Size, can_show_candles, draw_candle_chart, draw_price_chart
from shared.database.reader import Reader
from shared.errors import OutputError
from shared.file_replacement import replaced_file
from shared.pictures import SUFFIXES, save_candles, save_lines
from shared.symbols import join_names

# The prompt and the line before it stay visible.
_LINES_FOR_PROMPT = 2


@dataclass(frozen=True)
class Plotted:
    """The rows to plot: prices, or candles of a timeframe. `empty` is the error if there are none."""

    reader: Reader
    reading: Reading[PriceRow] | Reading[CandleRow]
    every: Timeframe | None
    zone: tzinfo
    provider: str | None
    empty: str


def check_plot(picture: str, form: ExportFormat | None, output: Path | None) -> None:
    """Raise BadParameter if a chart is to be printed in another format too, or is no picture of a known kind."""
    if form is not None or output is not None:
        option = "--format" if form is not None else "--output"
        raise typer.BadParameter("cannot be combined with --plot", param_hint=option)
    if picture and Path(picture).suffix.lower() not in SUFFIXES:
        raise typer.BadParameter(f"{picture!r} does not end with {', '.join(SUFFIXES)}", param_hint="--plot")


def plot(plotted: Plotted, picture: str) -> None:
    """Print a chart, or write a picture to this path. Raises OutputError, also if there is nothing to plot."""
    lines: dict[str, list[Point]] = {}
    candles: list[CandleRow] = []
    for row in plotted.reading.rows(plotted.reader):
        lines.setdefault(row.symbol, []).append(_point(row))
        if isinstance(row, CandleRow):
            candles.append(row)
    if not lines:
        raise OutputError(plotted.empty)
    if len(lines) > 1:
        candles = []
    series = [each for symbol in lines for each in _series(plotted, symbol)]
    title, unit = _title(plotted, list(lines), series), _unit(series)
    if picture:
        _save(Path(picture), plotted, title, unit, candles, lines)
    else:
        _print_chart(f"{title}, {unit}, {zone_name(plotted.zone)}", plotted.zone, candles, lines)


def _print_chart(title: str, zone: tzinfo, candles: Sequence[CandleRow], lines: dict[str, list[Point]]) -> None:
    if not sys.stdout.encoding.lower().startswith("utf"):
        raise OutputError("this terminal cannot show a chart, because it is not in UTF-8: use --plot FILE.png")
    columns, height = shutil.get_terminal_size()
    size = Size(columns, max(height - _LINES_FOR_PROMPT, 8))
    colours = shows_colours()
    if candles and can_show_candles(len(candles), size):
        chart: Iterator[str] = draw_candle_chart(title, candles, size, zone=zone, colours=colours)
    else:
        chart = draw_price_chart(title, lines, size, zone=zone, colours=colours)
    print_drawing(chart)


def _save(
    path: Path,
    plotted: Plotted,
    title: str,
    unit: str,
    candles: Sequence[CandleRow],
    lines: dict[str, list[Point]],
) -> None:
    form = path.suffix.lower().removeprefix(".")
    with replaced_file(path) as new_file:
        if candles:
            save_candles(new_file, form, title, candles, unit, plotted.zone)
        else:
            save_lines(new_file, form, title, lines, unit, plotted.zone)
    print_lines(f"drew {path}", error=True)


def _point(row: PriceRow | CandleRow) -> Point:
    return (row.as_of, row.price) if isinstance(row, PriceRow) else (row.start, row.close)


def _series(plotted: Plotted, symbol: str) -> list[Series]:
    if plotted.every is not None:
        return comparable_series(plotted.reader, symbol, plotted.provider)
    return find_series(plotted.reader, symbol, None if plotted.provider is None else [plotted.provider])


def _title(plotted: Plotted, symbols: Sequence[str], series: Sequence[Series]) -> str:
    names = join_names(symbols)
    providers = join_names(sorted({each.provider for each in series}))
    every = f", {plotted.every.count}{plotted.every.unit}" if plotted.every else ""
    # The names of providers come from outside.
    return escape(f"{names}{every} ({providers})")


def _unit(series: Sequence[Series]) -> str:
    currencies = sorted({each.currency for each in series if each.currency})
    return f"price in {' or '.join(currencies)}" if currencies else "price"
