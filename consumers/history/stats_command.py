"""The command `stockwire stats`."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from consumers.history.commands import check_symbols
from consumers.history.options import AdjustedOption, ProviderOption, SomeSymbols, buckets_of_option
from consumers.history.queries.columns import STATS_KINDS
from consumers.history.queries.prices import history_reader
from consumers.history.queries.rows import StatsRow
from consumers.history.queries.splits import read_adjustments, read_splits
from consumers.history.queries.stats import ONE_DAY, read_stats
from shared.cli.exports import Export, ExportFormat, ExportFormatOption, OutputOption, choose_format, export
from shared.cli.options import TimeOption
from shared.cli.output import print_lines
from shared.columns import Kind
from shared.settings import load_settings
from shared.splits import Split
from shared.symbols import join_names

_FRACTIONS = ("return", "volatility", "max_drawdown")


def stats(
    symbols: SomeSymbols,
    since: TimeOption = None,
    until: TimeOption = None,
    zone: Annotated[
        str | None,
        typer.Option("--tz", metavar="Z", help="The time zone of days, such as America/New_York, or `market`."),
    ] = None,
    adjusted: AdjustedOption = False,
    provider: ProviderOption = None,
    form: ExportFormatOption = None,
    output: OutputOption = None,
) -> None:
    """Show return, volatility, largest drawdown, highest and lowest price of symbols over a span of time."""
    chosen = choose_format(form, output)
    wanted = check_symbols(symbols)
    settings = load_settings()
    days = buckets_of_option(ONE_DAY, zone, settings.market)
    with history_reader(settings) as reader:
        adjustment = read_adjustments(reader, wanted, settings.market) if adjusted else {}
        splits = () if adjusted else read_splits(reader, wanted)
        found = [
            read_stats(reader, each, days, since, until, provider=provider, adjustment=adjustment.get(each))
            for each in wanted
        ]
    rows = [row for row in found if row is not None]
    missing = [symbol for symbol, row in zip(wanted, found, strict=True) if row is None]
    empty = f"no stored prices for {join_names(missing)} in this time range"
    if chosen is ExportFormat.TABLE:
        columns = {"statistic": Kind.TEXT, **{row.symbol: Kind.NUMBER for row in rows}}
        export(Export(columns, lambda: _lines(rows), empty), chosen, output)
    else:
        export(Export(STATS_KINDS, lambda: (row.fields() for row in rows), empty), chosen, output)
    # Without any row, the export has said so, or has nothing to say it with.
    if missing and (rows or (output is None and chosen is not ExportFormat.TABLE)):
        print_lines(empty, error=True)
    _print_splits_within(rows, [stored.split for stored in splits])


def _print_splits_within(rows: Sequence[StatsRow], splits: Sequence[Split]) -> None:
    """Say of each split between the first and the last price that a change by it is in the statistics."""
    spans = {row.symbol: (row.first_at.date(), row.last_at.date()) for row in rows}
    for split in splits:
        if split.symbol in spans and spans[split.symbol][0] < split.day <= spans[split.symbol][1]:
            print_lines(
                f"{split.symbol} was split {split.ratio} on {split.day}, which looks like a move of its price:"
                " --adjusted takes it into account",
                error=True,
            )


def _lines(rows: Sequence[StatsRow]) -> Iterator[dict[str, Any]]:
    """Yield a line per statistic, with a column per symbol. Fractions are shown in percent."""
    fields = [row.fields() for row in rows]
    for name in [*STATS_KINDS][1:] if rows else ():
        shown = (_shown(name, each[name]) for each in fields)
        yield {"statistic": name, **{row.symbol: text for row, text in zip(rows, shown, strict=True)}}


def _shown(name: str, value: Any) -> Any:
    return f"{value:.2%}" if name in _FRACTIONS and value is not None else value
