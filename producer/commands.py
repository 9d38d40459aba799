"""The producer's commands for the command line: one sync now, and the replay of a recording."""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from producer.market_service import SyncReport, run_sync, sync_lock
from producer.providers.recordings import BadRow, Recording
from producer.replay import Replay
from producer.retry import delay_until, is_in_time
from producer.watch_list import watch_list
from shared.cli.output import print_rows
from shared.cli.progress import progress_bar
from shared.errors import InvalidEvent, SettingsError, SyncRunning
from shared.messaging.publisher import Publisher
from shared.settings import VAR, Settings, load_settings, parse_symbols
from shared.signals import stop_on_signals
from shared.symbols import check_symbol
from shared.times import utc_now

# In seconds: how long a sync waits for the one that runs already.
PATIENCE = 60.0


def sync(
    symbols: Annotated[
        list[str] | None, typer.Argument(metavar="[SYMBOL]...", help="Symbols; without any, the watch list.")
    ] = None,
) -> None:
    """Fetch prices and publish them now; exits 1 if any symbol failed."""
    settings = load_settings()
    good, failed = check_symbols(symbols or watch_list(settings, VAR))
    try:
        for report in sync_within_limits(settings, good, VAR) if good else ():
            _print_published(report)
            failed |= report.failed
    finally:
        for symbol, reason in failed.items():
            print(f"{symbol} failed: {reason}", file=sys.stderr)
    if failed:
        raise typer.Exit(1)


def replay(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A CSV file of recorded prices, plain or .gz.", show_default=False)
    ],
    symbols: Annotated[str | None, typer.Option(help="Only these, such as AAPL,BRK.B.")] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="Events a second; without it, as fast as can be.")
    ] = None,
    backfill: Annotated[bool, typer.Option("--backfill", help="As history: stored, but never seen by alerts.")] = False,
) -> None:
    """Publish recorded prices as events; exits 1 if any row had to be skipped."""
    settings = load_settings()
    wanted = None if symbols is None else _parse_wanted(symbols)
    with (
        stop_on_signals() as stop,
        Recording(file) as recording,
        Publisher(settings.amqp_url, "replay", wait_while_blocked=True, stop=stop) as publisher,
        progress_bar("replaying", recording.size) as progress,
    ):

        def report(row: BadRow) -> None:
            progress.say(f"{file} line {row.line}: {row.reason}")

        run = Replay(recording, publisher, report, progress.set, wanted, rate, backfill)
        try:
            run.run(stop)
        finally:
            progress.end()
            print(f"published {run.published} events, skipped {run.skipped} rows", flush=True)
    if run.skipped:
        raise typer.Exit(1)


def check_symbols(symbols: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Those that are symbols, once each and in upper case, and why the others are none."""
    good: dict[str, None] = {}
    malformed: dict[str, str] = {}
    for symbol in symbols:
        try:
            good[check_symbol(symbol.upper())] = None
        except InvalidEvent as error:
            malformed[symbol] = str(error)
    return list(good), malformed


def sync_within_limits(settings: Settings, symbols: Sequence[str], folder: Path) -> Iterator[SyncReport]:
    """One sync in as many parts as the providers' limits make of it: what has no room waits, up to the next sync.

    What is waited for is not among a part's failures. Raises as `sync_in_turn` does.
    """
    at = utc_now()
    while True:
        report = sync_in_turn(settings, symbols, at, folder)
        if not report.limited:
            break
        until = min(report.limited.values())
        wait = delay_until(until)
        if not is_in_time(wait, at + settings.schedule.shortest_interval()):
            break
        symbols = list(report.limited)
        yield replace(report, failed={each: why for each, why in report.failed.items() if each not in report.limited})
        print(f"waiting until {until:%H:%M:%S} UTC for the limit's sake: {', '.join(symbols)}", file=sys.stderr)
        time.sleep(wait)
    yield report


def sync_in_turn(settings: Settings, symbols: Sequence[str], at: datetime, folder: Path) -> SyncReport:
    """Sync after the one that runs already, if any does. Raises SyncRunning after a minute of that."""
    with sync_lock(folder, wait=PATIENCE) as held:
        if not held:
            raise SyncRunning(f"another sync has been running for {PATIENCE:.0f} s: try again when it has ended")
        return run_sync(settings, symbols, at, folder)


def _print_published(report: SyncReport) -> None:
    rows = (event.data() for event in report.published.values())
    if report.published:
        print_rows(("symbol", "price", "currency", "as_of", "provider"), rows, right=("price",))
        sys.stdout.flush()
    for provider, why in report.refused.items():
        print(f"{provider} {why}", file=sys.stderr)


def _parse_wanted(text: str) -> frozenset[str]:
    try:
        return frozenset(parse_symbols(text))
    except ValueError as error:
        raise SettingsError(f"--symbols: {error}") from error
