"""The command `stockwire history`: prices or candles as a table, a file, or a chart."""

from typing import Annotated, Any

import typer

from consumers.history.commands import check_symbols
from consumers.history.options import AdjustedOption, ProviderOption, SomeSymbols, buckets_of_option
from consumers.history.plots import Plotted, check_plot, plot
from consumers.history.queries.candles import CandleQuery
from consumers.history.queries.prices import PriceQuery, history_reader
from consumers.history.queries.splits import read_adjustments
from consumers.history.reading import Reading, read_candle_queries, read_price_queries
from consumers.history.reading_progress import following
from consumers.history.timeframes import Timeframe
from shared.cli.exports import Export, ExportFormatOption, OutputOption, choose_format, export
from shared.cli.options import LimitOption, TimeOption, usage_parser
from shared.settings import load_settings
from shared.symbols import join_names

# The bucket of prices without --every, whose time zone a chart shows.
_ANY = Timeframe(1, "d")


def history(
    context: typer.Context,
    symbols: SomeSymbols,
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
        typer.Option(
            "--tz", metavar="Z", help="The time zone of candles and charts, such as America/New_York, or `market`."
        ),
    ] = None,
    fill: Annotated[bool, typer.Option("--fill", help="Repeat the last close in candles without a price.")] = False,
    adjusted: AdjustedOption = False,
    provider: ProviderOption = None,
    limit: LimitOption = None,
    form: ExportFormatOption = None,
    output: OutputOption = None,
    picture: Annotated[
        str | None,
        typer.Option("--plot", metavar="[FILE.png]", help="Draw a chart in the terminal, or a picture: png, svg, pdf."),
    ] = None,
) -> None:
    """List the stored prices of symbols, oldest first, from --since to before --until, or candles with --every."""
    if every is None and (fill or (zone is not None and picture is None)):
        raise typer.BadParameter("needs --every", ctx=context, param_hint="--fill" if fill else "--tz")
    if picture is None:
        choose_format(form, output)
    else:
        check_plot(picture, form, output)
    wanted, settings = check_symbols(symbols), load_settings()
    buckets = buckets_of_option(every or _ANY, zone, settings.market)
    with history_reader(settings) as reader:
        splits = read_adjustments(reader, wanted, settings.market) if adjusted else {}
        if every is None:
            providers = None if provider is None else [provider]
            reading: Reading[Any] = read_price_queries(
                PriceQuery(each, since, until, limit, providers=providers, adjustment=splits.get(each))
                for each in wanted
            )
        else:
            reading = read_candle_queries(
                CandleQuery(each, buckets, since, until, provider, splits.get(each), fill, limit) for each in wanted
            )
        empty = f"no stored prices for {join_names(wanted)} in this time range"
        if picture is not None:
            plot(Plotted(reader, reading, every, buckets.zone, provider, empty), picture)
        else:
            with following(reader, wanted, until, shown=output is not None) as follow:
                rows = Export(
                    reading.kinds,
                    lambda: (row.fields() for row in reading.rows(reader, follow)),
                    empty,
                    lambda scale: reading.batches(reader, scale, follow),
                )
                export(rows, form, output)
