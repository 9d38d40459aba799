"""The command `stockwire sync`."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from producer.market_service import SyncReport, sync_lock, sync_prices
from producer.remarks import format_remarks
from producer.retry import delay_until, is_in_time
from producer.watch_list import watch_list
from shared.cli.output import print_lines, print_rows
from shared.errors import InvalidEvent, SyncRunning
from shared.settings import VAR, Settings, load_settings
from shared.symbols import read_symbol
from shared.times import utc_now

LOCK_WAIT_SECONDS = 60.0


def sync(
    symbols: Annotated[
        list[str] | None, typer.Argument(metavar="[SYMBOL]...", help="Symbols to sync; by default the watch list.")
    ] = None,
) -> None:
    """Fetch prices and publish them now. Exits 1 if any symbol failed."""
    settings = load_settings()
    valid, failed = check_symbols(symbols or watch_list(settings, VAR))
    try:
        for report in sync_in_parts(settings, valid, VAR) if valid else ():
            _print_published(report)
            failed |= report.failed
    finally:
        for symbol, reason in failed.items():
            print_lines(f"{symbol} failed: {reason}", error=True)
    if failed:
        raise typer.Exit(1)


def check_symbols(symbols: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return the valid symbols, each once and in upper case, and the reason for each invalid one."""
    valid: dict[str, None] = {}
    invalid: dict[str, str] = {}
    for symbol in symbols:
        try:
            valid[read_symbol(symbol)] = None
        except InvalidEvent as error:
            invalid[symbol] = str(error)
    return list(valid), invalid


def sync_in_parts(settings: Settings, symbols: Sequence[str], folder: Path) -> Iterator[SyncReport]:
    """Sync now, and again after each rate limit that ends before the next sync; yield the report of each part.

    Symbols that a later part fetches are not among a part's failures. Raises BrokerError, and SyncRunning if another
    sync does not end within LOCK_WAIT_SECONDS.
    """
    at = utc_now()
    next_sync = at + settings.schedule.shortest_interval()
    while True:
        with wait_for_sync_lock(folder):
            report = sync_prices(settings, symbols, at, folder)
        limit = report.first_rate_limit
        if limit is None or not is_in_time(delay := delay_until(limit.retry_at), next_sync):
            yield report
            return
        symbols = list(report.rate_limited)
        failed = {symbol: reason for symbol, reason in report.failed.items() if symbol not in report.rate_limited}
        yield replace(report, failed=failed)
        print_lines(f"{', '.join(symbols)}: waiting for a rate limit until {limit.retry_at:%H:%M:%S} UTC", error=True)
        time.sleep(delay)


@contextmanager
def wait_for_sync_lock(folder: Path) -> Iterator[None]:
    """Hold the sync lock. Raises SyncRunning if another sync does not end within LOCK_WAIT_SECONDS."""
    with sync_lock(folder, wait=LOCK_WAIT_SECONDS) as held:
        if not held:
            raise SyncRunning(
                f"another sync has been running for {LOCK_WAIT_SECONDS:.0f} s: run this command again when it has ended"
            )
        yield


def _print_published(report: SyncReport) -> None:
    rows = (event.fields() for event in report.published.values())
    if report.published:
        print_rows(("symbol", "price", "currency", "as_of", "provider"), rows, right=("price",))
        sys.stdout.flush()
    for line in [*report.rejected_keys.values(), *format_remarks(report.remarks)]:
        print_lines(line, error=True)
