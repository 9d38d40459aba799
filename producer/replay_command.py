"""The command `stockwire replay`: publish the prices of a file, or with --check say what would be read."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import tzinfo
from pathlib import Path
from typing import Annotated

import typer

from producer.recordings.check import (
    ROW_COLUMNS,
    CheckReport,
    check_recording,
    describe_reading,
    describe_refusals,
    shown_fields,
)
from producer.recordings.options import (
    ReadingOptions,
    Stamp,
    check_date_format,
    check_encoding,
    parse_bar_interval,
    parse_columns,
)
from producer.recordings.reader import Recording
from producer.recordings.refusals import SHOWN_PER_KIND, Refusals
from producer.recordings.rows import InvalidRow
from producer.recordings.selection import Selection
from producer.replay import Replay
from shared.cli.options import usage_parser
from shared.cli.output import print_lines, print_rows
from shared.cli.progress import ProgressBar, progress_bar
from shared.errors import SettingsError
from shared.messaging.permissions import publisher_permissions
from shared.messaging.publisher import Publisher
from shared.messaging.topology import BACKFILLED_PRICES, LIVE_PRICES
from shared.settings import load_settings, parse_symbols
from shared.signals import Stop, stop_on_signals
from shared.splits import Split
from shared.symbols import join_names, read_symbol
from shared.time_parsing import parse_zone

_PERMISSIONS = publisher_permissions(LIVE_PRICES, BACKFILLED_PRICES)
# Stores splits with their source.
StoreSplits = Callable[[Sequence[Split], str], None]

_RIGHT = ("line", "price", "open", "high", "low", "volume")


def build_replay(collecting_splits: Callable[[], AbstractContextManager[StoreSplits]]) -> Callable[..., None]:
    """Return the command, which gives the splits of a file, with their source, to the function that is opened here."""

    def replay(
        file: Annotated[
            Path,
            typer.Argument(
                metavar="FILE", help="A file of recorded prices, such as CSV, also packed.", show_default=False
            ),
        ],
        symbols: Annotated[str | None, typer.Option(help="Publish only these, such as AAPL,BRK.B.")] = None,
        rate: Annotated[
            float | None,
            typer.Option(min=0.001, max=1_000_000, help="Events per second; by default as fast as possible."),
        ] = None,
        backfill: Annotated[
            bool, typer.Option("--backfill", help="Publish as history: stored, but ignored by alerts.")
        ] = False,
        symbol: Annotated[
            str | None,
            typer.Option(parser=usage_parser(read_symbol), metavar="S", help="The symbol of a file that names none."),
        ] = None,
        interval: Annotated[
            str | None,
            typer.Option(
                parser=usage_parser(parse_bar_interval),
                metavar="D",
                help="The prices are bars of this length: 5m, 1h, 1d.",
            ),
        ] = None,
        stamp: Annotated[
            Stamp | None, typer.Option(help="Which end of a bar shorter than a day its time is; by default start.")
        ] = None,
        columns: Annotated[
            list[str] | None,
            typer.Option(metavar="NAME=COLUMN,...", help="Columns by name or number: price=Kurs,time=1."),
        ] = None,
        no_header: Annotated[
            bool, typer.Option("--no-header", help="The first line is a row; --columns gives numbers.")
        ] = False,
        date_format: Annotated[
            str | None,
            typer.Option(
                parser=usage_parser(check_date_format), metavar="F", help="The form of dates, such as %d/%m/%Y."
            ),
        ] = None,
        zone: Annotated[
            tzinfo | None,
            typer.Option(
                "--tz", parser=usage_parser(parse_zone), metavar="Z", help="The zone of times without an offset."
            ),
        ] = None,
        encoding: Annotated[
            str | None,
            typer.Option(
                parser=usage_parser(check_encoding), metavar="E", help="Of text that is not UTF-8, such as latin-1."
            ),
        ] = None,
        check: Annotated[
            bool, typer.Option("--check", help="Only show what would be read, and publish nothing.")
        ] = False,
    ) -> None:
        """Publish recorded prices as events. Exits 1 if any row was skipped."""
        if stamp is not None and interval is None:
            raise typer.BadParameter("needs --interval, the length of the bars", param_hint="--stamp")
        options = ReadingOptions(
            symbol=symbol,
            columns=usage_parser(parse_columns)(columns or ()),
            has_header=not no_header,
            date_format=date_format,
            encoding=encoding,
            interval=interval,
            stamp=stamp or Stamp.START,
            **({} if zone is None else {"zone": zone}),
        )
        selection = None if symbols is None else Selection(_parse_wanted(symbols))
        if check:
            _check(file, options, selection)
        else:
            with collecting_splits() as store_splits:
                _publish(file, options, selection, rate, store_splits, backfill=backfill)

    return replay


def _publish(
    file: Path,
    options: ReadingOptions,
    selection: Selection | None,
    rate: float | None,
    store_splits: StoreSplits,
    *,
    backfill: bool,
) -> None:
    settings = load_settings()
    refusals = Refusals()
    with (
        stop_on_signals() as stop,
        _open(file, options) as (recording, progress),
        Publisher(
            settings.amqp_url, "replay", permissions=_PERMISSIONS, wait_while_blocked=True, stop=stop
        ) as publisher,
    ):

        def report(row: InvalidRow) -> None:
            if refusals.add(row):
                progress.print_line(f"{file} line {row.line}: {row.reason}")

        def warn(line: str) -> None:
            progress.print_line(f"{file} {line}")

        run = Replay(recording, publisher, report, progress.set, selection, rate, backfill, store_splits, warn)
        publisher.publish(())  # connects
        try:
            run.run(stop)
        finally:
            progress.close()
            _print_hidden(refusals)
            print_lines(f"published {run.published} events, skipped {run.skipped} rows")
    _check_something_was_read(file, run.published + run.skipped, selection, stop)
    if run.skipped:
        raise typer.Exit(1)


def _check(file: Path, options: ReadingOptions, selection: Selection | None) -> None:
    with _open(file, options) as (recording, progress):
        print_lines(*describe_reading(recording))
        report = check_recording(recording, selection, progress.set)
        progress.close()
    _print_report(report)
    if report.error is not None:
        raise report.error
    _check_something_was_read(file, report.readable + report.refusals.count, selection)
    if not report.readable:
        raise typer.Exit(1)


@contextmanager
def _open(file: Path, options: ReadingOptions) -> Iterator[tuple[Recording, ProgressBar]]:
    """Open the file and a progress bar in bytes; warnings about the file are printed above the bar."""
    warnings: list[str] = []
    bars: list[ProgressBar] = []

    def warn(line: str) -> None:
        if bars:
            bars[0].print_line(line)
        else:
            warnings.append(line)

    with Recording(file, options, warn) as recording, progress_bar("reading", recording.size) as progress:
        bars.append(progress)
        for line in warnings:
            progress.print_line(line)
        yield recording, progress


def _print_report(report: CheckReport) -> None:
    rows = [*report.first, *report.last]
    if rows:
        print_rows(ROW_COLUMNS, (shown_fields(row) for row in rows), right=_RIGHT)
    print_lines(*describe_refusals(report))


def _print_hidden(refusals: Refusals) -> None:
    if hidden := refusals.hidden():
        print_lines(
            f"{hidden} more rows were skipped for the same reasons, of which {SHOWN_PER_KIND} each are shown",
            error=True,
        )


def _check_something_was_read(file: Path, rows: int, selection: Selection | None, stop: Stop | None = None) -> None:
    """Raise SettingsError if the file has no rows, or none of the selected symbols; name the symbols without rows."""
    if stop is not None and stop.requested:
        return
    if selection is None and not rows:
        raise SettingsError(f"{file} has no rows")
    if selection is not None and (missing := selection.missing):
        line = f"{file} has no rows of {join_names(missing)} (--symbols)"
        if len(missing) == len(selection.symbols):
            raise SettingsError(line)
        print_lines(line, error=True)


def _parse_wanted(text: str) -> frozenset[str]:
    try:
        return frozenset(parse_symbols(text))
    except ValueError as error:
        raise SettingsError(f"--symbols: {error}") from error
