"""`stockwire backfill`: publish past prices; with --gaps, only prices that the stored history lacks."""

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated

import typer
from sqlalchemy import Engine

from consumers.history.gap_detection import DAY, Gap, resolution_of, tolerance
from consumers.history.queries.gaps import gaps_by_symbol, history_database, is_stored, symbols_without_prices
from infra.found_splits import collecting_splits
from producer.backfill.progress import forget_progress
from producer.backfill.run import Backfill
from producer.backfill.time_ranges import TimeRange, total_duration
from producer.commands import check_symbols
from producer.providers.base import HistoricalProvider, Interval
from producer.providers.historical import historical_provider_names, historical_providers
from producer.providers.registry import make_providers
from producer.state import open_state
from shared.cli.options import TimeOption
from shared.cli.output import print_lines
from shared.cli.progress import progress_bar
from shared.database.engine import writing
from shared.errors import ProviderError, RateLimited, SettingsError
from shared.events import StockData
from shared.market_calendar import load_market_calendar
from shared.messaging.permissions import publisher_permissions
from shared.messaging.publisher import Publisher
from shared.messaging.topology import BACKFILLED_PRICES
from shared.settings import VAR, Settings, load_settings
from shared.signals import Stop, stop_on_signals
from shared.symbols import join_names
from shared.times import EPOCH, utc_now

# The time that the history consumer has to store the published events before the remaining gaps are counted.
STORE_WAIT_SECONDS = 15.0

WantedRanges = Mapping[str, Sequence[TimeRange]]


def backfill(
    context: typer.Context,
    symbols: Annotated[
        list[str] | None, typer.Argument(metavar="[SYMBOL]...", help="With --gaps, by default all stored symbols.")
    ] = None,
    since: TimeOption = None,
    until: TimeOption = None,
    interval: Annotated[
        Interval | None, typer.Option(help="The interval of the prices; by default 1d, with --gaps by the schedule.")
    ] = None,
    gaps: Annotated[bool, typer.Option("--gaps", help="Fetch only what the stored history lacks.")] = False,
) -> None:
    """Fetch past prices and publish them as history, which alerts ignore.

    Resumes an interrupted backfill. Exits 1 if any symbol failed.
    """
    if not gaps and not (symbols and since):
        raise typer.BadParameter("name symbols and --since T, or use --gaps", ctx=context)
    if gaps and until:
        raise typer.BadParameter("cannot be used with --gaps, which end now", ctx=context, param_hint="--until")
    now = utc_now()
    end = min(until or now, now)
    # No provider has older prices.
    since = max(since, EPOCH) if since else None
    if since and since >= end:
        raise typer.BadParameter("must be before --until, and before now", ctx=context, param_hint="--since")
    valid, invalid = check_symbols(symbols or ())
    work = None
    with stop_on_signals() as stop:
        if gaps and (valid or not invalid):
            work = fill_gaps(load_settings(), valid, since, interval, now, stop)
        elif since and valid:
            wanted = {symbol: [TimeRange(since, end)] for symbol in valid}
            work = publish_history(load_settings(), wanted, interval or Interval.DAY, stop, resumable=True)
            _print_without_prices(work, wanted)
    _report_failures(work, invalid, stop)


def publish_history(
    settings: Settings, wanted: WantedRanges, interval: Interval, stop: Stop, *, resumable: bool
) -> Backfill:
    """Publish the wanted ranges of each symbol and print the result.

    With `resumable`, an interrupted backfill is resumed. Raises SettingsError, BrokerError and StorageError.
    """
    providers = _make_historical_providers(settings, interval)
    total_seconds = sum(total_duration(each).total_seconds() for each in wanted.values())
    with (
        open_state(VAR) as state,
        Publisher(
            settings.amqp_url,
            "backfill",
            permissions=publisher_permissions(BACKFILLED_PRICES),
            wait_while_blocked=True,
            stop=stop,
        ) as publisher,
        progress_bar("backfilling", total_seconds) as progress,
        collecting_splits() as store_splits,
    ):
        work = Backfill(
            providers=providers,
            publisher=publisher,
            interval=interval,
            remaining={symbol: list(each) for symbol, each in wanted.items()},
            print_line=progress.print_line,
            on_progress=lambda covered: progress.advance(covered.total_seconds()),
            state=state if resumable else None,
            on_splits=store_splits,
        )
        publisher.publish(())  # connects
        try:
            work.run(stop)
        finally:
            progress.close()
            _print_published(work)
        if work.is_finished and resumable:
            with writing(state) as connection:
                forget_progress(connection, wanted, interval)
    if stop.requested and work.remaining:
        print_lines("stopped: run the same command again to resume")
    return work


def fill_gaps(
    settings: Settings,
    symbols: Sequence[str],
    since: datetime | None,
    interval: Interval | None,
    now: datetime,
    stop: Stop,
) -> Backfill | None:
    """Publish what the history lacks and print the gaps that remain; return None if there were no gaps."""
    resolution = interval.length if interval else resolution_of(settings.schedule)
    sessions = load_market_calendar(settings.market).sessions if settings.market else None

    with history_database(settings) as engine:

        def find_gaps() -> list[tuple[str, Gap]]:
            return list(gaps_by_symbol(engine, resolution, now, symbols, since, sessions))

        wanted: dict[str, list[TimeRange]] = {}
        for symbol, gap in find_gaps():
            wanted.setdefault(symbol, []).append(_range_to_fetch(gap, resolution))
        if not wanted:
            not_stored = symbols_without_prices(engine, symbols) if symbols else []
            if symbols and len(not_stored) == len(symbols):
                raise SettingsError(_describe_not_stored(not_stored))
            print_lines("no gaps")
            if not_stored:
                print_lines(_describe_not_stored(not_stored), error=True)
            return None
        fetched = Interval.DAY if resolution >= DAY else Interval.FIVE_MINUTES
        work = publish_history(settings, wanted, fetched, stop, resumable=False)
        if stop.requested:
            return work
        if not wait_until_stored(engine, work.history.newest.values(), stop):
            print_lines(
                "the history has not stored all prices yet: is ./stockwire consume history running?", error=True
            )
        _print_remaining_gaps(find_gaps(), work.providers, settings.market)
        return work


def wait_until_stored(engine: Engine, events: Iterable[StockData], stop: Stop) -> bool:
    """Return True as soon as the history has stored these events; False after STORE_WAIT_SECONDS or a stop."""
    deadline = time.monotonic() + STORE_WAIT_SECONDS
    for event in events:
        while not is_stored(engine, event.symbol, event.provider, event.as_of, event.interval):
            if time.monotonic() > deadline or stop.wait(0.1):
                return False
    return True


def _make_historical_providers(settings: Settings, interval: Interval) -> list[HistoricalProvider]:
    providers = historical_providers(make_providers(settings, VAR), interval)
    if not providers:
        raise SettingsError(
            f"STOCKWIRE_PROVIDER: {', '.join(settings.provider)} has no past prices at an interval of {interval.value}:"
            f" use one of {', '.join(historical_provider_names(interval))}"
        )
    return providers


def _range_to_fetch(gap: Gap, resolution: timedelta) -> TimeRange:
    # A bar that is a little early still fills the gap.
    return TimeRange(gap.since - tolerance(resolution) if resolution < DAY else gap.since, gap.until)


def _print_published(work: Backfill) -> None:
    history = work.history
    skipped = f", skipped {history.skipped}" if history.skipped else ""
    plural = "" if len(history.newest) == 1 else "s"
    print_lines(f"published {history.published} events of {len(history.newest)} symbol{plural}{skipped}")


def _print_without_prices(work: Backfill, wanted: Iterable[str]) -> None:
    # A provider may also have no prices because it does not know the symbol.
    reported = work.history.newest.keys() | work.symbol_errors.keys() | work.remaining.keys() | work.resumed
    if without_prices := [symbol for symbol in wanted if symbol not in reported]:
        names = ", ".join(each.name for each in work.providers)
        print_lines(f"{join_names(without_prices)}: {names} has no prices in that time range", error=True)


def _describe_not_stored(symbols: Sequence[str]) -> str:
    names = " ".join(symbols) if len(symbols) <= 10 else "SYMBOL..."
    return f"no stored prices for {join_names(symbols)}; run ./stockwire backfill {names} --since T"


def _print_remaining_gaps(
    gaps: Sequence[tuple[str, Gap]], providers: Sequence[HistoricalProvider], market: str | None
) -> None:
    if not gaps:
        print_lines("no gaps remain")
        return
    missing = sum(gap.missing for _, gap in gaps)
    names = ", ".join(each.name for each in providers)
    advice = "" if market else "; set STOCKWIRE_MARKET, such as XNYS, to leave out the hours without trading"
    print_lines(
        f"{len(gaps)} gaps of {missing} prices remain: there was no trading at the time, or {names} has no prices"
        f" of it{advice}"
    )


def _report_failures(work: Backfill | None, invalid: Mapping[str, str], stop: Stop) -> None:
    """Print the failures. Raises ProviderError if a provider's part ended early, and Exit if any symbol failed."""
    failed = {**invalid, **(work.failures() if work else {})}
    for symbol, reason in failed.items():
        print_lines(f"{symbol} failed: {reason}", error=True)
    if stop.requested:
        return
    if work and work.remaining and work.provider_errors:
        raise _not_completed(work)
    if failed:
        raise typer.Exit(1)


def _not_completed(work: Backfill) -> ProviderError:
    reasons = "; ".join(map(str, work.provider_errors.values()))
    limits = [error.retry_at for error in work.provider_errors.values() if isinstance(error, RateLimited)]
    when = f" after {min(limits):%Y-%m-%d %H:%M:%S} UTC" if limits else " when this is fixed"
    return ProviderError(f"{join_names(work.remaining)} not completed: {reasons}; run the same command again{when}")
