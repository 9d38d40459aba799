"""The command `stockwire prune`."""

import time
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Annotated

import typer

from consumers.history.pruning import OldSeries, Pruning
from consumers.history.queries.comparable import symbols_with_prices
from consumers.history.queries.prices import history_reader
from shared.cli.options import usage_parser
from shared.cli.output import print_lines, print_rows
from shared.cli.progress import progress_bar
from shared.database.engine import opened
from shared.errors import SettingsError, StorageLocked
from shared.settings import Settings, load_settings, parse_symbols
from shared.symbols import join_names
from shared.times import format_instant, parse_moment, utc_now

# The consumer gets as much time as each piece took, because SQLite does not queue those who wait for its lock.
_SHORTEST_PAUSE = 0.005
# Seconds that a piece is tried again for, while another transaction has the lock.
_LOCKED_TIMEOUT = 60.0


def _parse_past(text: str) -> datetime:
    """Return the instant of an age or a time, which must not be in the future. Raises ValueError."""
    now = utc_now()
    moment = parse_moment(text, now)
    if moment > now:
        raise ValueError(f"{text[:40]!r} is in the future: every price is older")
    return moment


def prune(
    older_than: Annotated[
        datetime,
        typer.Option(
            "--older-than",
            parser=usage_parser(_parse_past),
            metavar="D",
            help="An age such as 90d, or an ISO date or time in UTC.",
        ),
    ],
    symbols: Annotated[str | None, typer.Option(help="Only these, such as AAPL,BRK.B.")] = None,
    bars: Annotated[bool, typer.Option("--bars", help="Remove bars too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
) -> None:
    """Remove old quotes from the history, while its consumer runs; bars stay."""
    settings = load_settings()
    wanted = _check_symbols(settings, symbols)
    what = "prices" if bars else "quotes"
    with opened(settings.history_url.engine_url) as engine:
        pruning = Pruning(engine, older_than, wanted, includes_bars=bars)
        found = pruning.count()
        if not dry_run:
            _remove(pruning, found.total())
    removed = found if dry_run else pruning.removed
    if removed:
        _print_counts(removed)
    verb = "would remove" if dry_run else "removed"
    print_lines(f"{verb} {removed.total():,} {what} from before {format_instant(older_than)}")


def _check_symbols(settings: Settings, text: str | None) -> Collection[str]:
    """Return the symbols of the option, each of which must be stored. Raises SettingsError and StorageError."""
    with history_reader(settings) as reader:
        stored = symbols_with_prices(reader)
    if text is None:
        return ()
    try:
        wanted = parse_symbols(text)
    except ValueError as error:
        raise SettingsError(f"--symbols: {error}") from error
    if missing := [symbol for symbol in wanted if symbol not in stored]:
        raise SettingsError(f"there is no history of {join_names(missing)}: see ./stockwire symbols")
    return wanted


def _remove(pruning: Pruning, total: int) -> None:
    with progress_bar("removing", total) as progress:
        is_more = True
        while is_more:
            start = time.monotonic()
            is_more = _step(pruning)
            progress.set(pruning.removed.total())
            time.sleep(max(_SHORTEST_PAUSE, time.monotonic() - start))


def _step(pruning: Pruning) -> bool:
    deadline = time.monotonic() + _LOCKED_TIMEOUT
    while True:
        try:
            return pruning.step()
        except StorageLocked:
            if time.monotonic() > deadline:
                raise


def _print_counts(counts: Mapping[OldSeries, int]) -> None:
    columns = ("symbol", "provider", "interval", "rows")
    rows = [
        {"symbol": each.symbol, "provider": each.provider, "interval": each.interval or None, "rows": count}
        for each, count in counts.items()
    ]
    print_rows(columns, rows, right=("rows",))
