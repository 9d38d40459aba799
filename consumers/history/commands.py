"""The commands `stockwire history`, `latest` and `symbols`."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Annotated, Any

import typer

from consumers.history.queries.buckets import make_buckets
from consumers.history.queries.candles import read_candles
from consumers.history.queries.prices import history_reader, read_prices
from consumers.history.queries.rows import (
    CANDLE_COLUMNS,
    PRICE_HISTORY_COLUMNS,
    SYMBOL_COLUMNS,
    CandleRow,
    PriceRow,
    SymbolRow,
)
from consumers.history.queries.splits import read_adjustments
from consumers.history.queries.symbols import latest_prices, stored_symbols
from consumers.history.timeframes import Buckets, Timeframe
from shared.cli.options import FormatOption, LimitOption, TimeOption, usage_parser
from shared.cli.output import Format, print_rows
from shared.settings import load_settings
from shared.symbols import join_names, read_symbol

_NUMBERS = ("price", "volume", "rows")

Symbols = Annotated[list[str] | None, typer.Argument(metavar="[SYMBOL]...", help="Default: all stored symbols.")]


def history(
    context: typer.Context,
    symbols: Annotated[
        list[str], typer.Argument(metavar="SYMBOL...", help="As the exchange writes them, such as AAPL or BRK.B.")
    ],
    since: TimeOption = None,
    until: TimeOption = None,
    every: Annotated[
        Timeframe | None,
        typer.Option(
            parser=usage_parser(Timeframe.parse), metavar="1h", help="Candles of this length: 5m, 1h, 1d, 1w, 1mo."
        ),
    ] = None,
    zone: Annotated[
        str | None,
        typer.Option("--tz", metavar="Z", help="The time zone of candles, such as America/New_York, or `market`."),
    ] = None,
    fill: Annotated[bool, typer.Option("--fill", help="Repeat the last close in candles without a price.")] = False,
    adjusted: Annotated[bool, typer.Option("--adjusted", help="Divide prices before a split by its ratio.")] = False,
    provider: Annotated[str | None, typer.Option(metavar="P", help="Only the prices of this provider.")] = None,
    limit: LimitOption = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """List the stored prices of symbols, oldest first, from --since to before --until, or candles with --every."""
    if every is None and (zone is not None or fill):
        raise typer.BadParameter("needs --every", ctx=context, param_hint="--tz" if zone is not None else "--fill")
    wanted = check_symbols(symbols)
    settings = load_settings()
    buckets = _make_buckets(every, zone, settings.market) if every else None
    empty = f"no stored prices for {join_names(wanted)} in this time range"
    with history_reader(settings) as reader:
        adjustment = read_adjustments(reader, wanted, settings.market) if adjusted else {}
        if buckets is None:
            providers = None if provider is None else [provider]
            prices = (
                read_prices(reader, each, since, until, limit, providers=providers, adjustment=adjustment.get(each))
                for each in wanted
            )
            print_rows(PRICE_HISTORY_COLUMNS, _fields(chain.from_iterable(prices)), output, right=_NUMBERS, empty=empty)
        else:
            candles = (
                read_candles(
                    reader,
                    each,
                    buckets,
                    since,
                    until,
                    provider=provider,
                    adjustment=adjustment.get(each),
                    fill=fill,
                    limit=limit,
                )
                for each in wanted
            )
            rows = _fields(chain.from_iterable(candles))
            print_rows(CANDLE_COLUMNS, rows, output, right=CANDLE_COLUMNS[2:], empty=empty)


def latest(symbols: Symbols = None, output: FormatOption = Format.TABLE) -> None:
    """Show the newest stored price of each symbol."""
    wanted = check_symbols(symbols)
    with history_reader(load_settings()) as reader:
        rows = latest_prices(reader, wanted)
    empty = f"no stored prices for {join_names(wanted)}" if wanted else "no stored prices"
    print_rows(PRICE_HISTORY_COLUMNS, _fields(rows), output, right=_NUMBERS, empty=empty)


def symbols(
    count: Annotated[bool, typer.Option("--count", help="Count the prices too, which takes seconds.")] = False,
    output: FormatOption = Format.TABLE,
) -> None:
    """List the stored symbols by provider and interval, with first and last time."""
    with history_reader(load_settings()) as reader:
        rows = stored_symbols(reader, count=count)
    columns = SYMBOL_COLUMNS if count else SYMBOL_COLUMNS[:-1]
    print_rows(columns, _fields(rows), output, right=_NUMBERS, empty="no stored prices")


def _fields(rows: Iterable[PriceRow | CandleRow | SymbolRow]) -> Iterator[dict[str, Any]]:
    return (row.fields() for row in rows)


def check_symbols(symbols: list[str] | None) -> list[str]:
    return [read_symbol(symbol) for symbol in symbols or ()]


def _make_buckets(timeframe: Timeframe, zone: str | None, market: str | None) -> Buckets:
    try:
        return make_buckets(timeframe, zone, market)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--tz") from error
