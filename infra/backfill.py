"""`stockwire backfill`: past prices from the providers that have them; with --gaps, into the holes of the history."""

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated

import typer
from sqlalchemy import Engine

from consumers.history.gap_detection import DAY, Gap, resolution_of, tolerance
from consumers.history.queries.gaps import gaps_by_symbol, history_database, is_stored, symbols_without_prices
from producer.backfill.progress import forget_progress
from producer.backfill.run import Backfill, names_with_history, with_history
from producer.backfill.time_ranges import TimeRange, total
from producer.commands import check_symbols
from producer.providers.base import Interval
from producer.providers.registry import make_providers
from producer.state import open_state
from shared.cli.options import Moment
from shared.cli.progress import progress_bar
from shared.database import writing
from shared.errors import ProviderError, RateLimited, SettingsError
from shared.events import StockData
from shared.market_calendar import load_market_calendar
from shared.messaging.publisher import Publisher
from shared.settings import VAR, Settings, load_settings
from shared.signals import Stop, stop_on_signals
from shared.symbols import join_names
from shared.times import EPOCH, utc_now

# In seconds: how long the history may take to store the last of what was published, before its holes are counted.
PATIENCE = 15.0


def backfill(
    context: typer.Context,
    symbols: Annotated[
        list[str] | None, typer.Argument(metavar="[SYMBOL]...", help="With --gaps, all that are stored by default.")
    ] = None,
    since: Moment = None,
    until: Moment = None,
    interval: Annotated[
        Interval | None, typer.Option(help="How far apart; 1d by default, with --gaps as the schedule is.")
    ] = None,
    gaps: Annotated[bool, typer.Option("--gaps", help="Only what is missing in the stored history.")] = False,
) -> None:
    """Fetch past prices and publish them as history, which alerts never see; goes on where it was cut off.

    Exits 1 if any symbol failed.
    """
    if not gaps and not (symbols and since):
        raise typer.BadParameter("name symbols and --since T, or use --gaps", ctx=context)
    if gaps and until:
        raise typer.BadParameter("goes without --gaps, which end now", ctx=context, param_hint="--until")
    now = utc_now()
    end = min(until or now, now)
    # No provider has older prices.
    since = max(since, EPOCH) if since else None
    if since and since >= end:
        raise typer.BadParameter("leaves no time before --until, or before now", ctx=context, param_hint="--since")
    good, malformed = check_symbols(symbols or ())
    work = None
    with stop_on_signals() as stop:
        if gaps and (good or not malformed):
            work = fill_gaps(load_settings(), good, since, interval, now, stop)
        elif since and good:
            wanted = {symbol: [TimeRange(since, end)] for symbol in good}
            work = publish_history(load_settings(), wanted, interval or Interval.DAY, stop, resumable=True)
            _print_without_prices(work, wanted)
    failed = malformed | (work.reasons() if work else {})
    for symbol, reason in failed.items():
        print(f"{symbol} failed: {reason}", file=sys.stderr)
    if work and work.left and work.halts and not stop.requested:
        raise _left_over(work)
    if failed and not stop.requested:
        raise typer.Exit(1)


def publish_history(
    settings: Settings, wanted: Mapping[str, Sequence[TimeRange]], interval: Interval, stop: Stop, *, resumable: bool
) -> Backfill:
    """Publish what is wanted of each symbol, and say what came of it.

    A `resumable` one goes on from where it was cut off, if it was. Raises StockwireError, but not for what providers
    do not deliver.
    """
    providers = with_history(make_providers(settings, VAR), interval)
    if not providers:
        raise SettingsError(
            f"STOCKWIRE_PROVIDER: {', '.join(settings.provider)} has no past prices {interval.value} apart:"
            f" use one of {', '.join(names_with_history(interval))}"
        )
    with (
        open_state(VAR) as state,
        Publisher(settings.amqp_url, "backfill", wait_while_blocked=True, stop=stop) as publisher,
        progress_bar("backfilling", sum(total(spans).total_seconds() for spans in wanted.values())) as progress,
    ):

        def advance(covered: timedelta) -> None:
            progress.advance(covered.total_seconds())

        left = {symbol: list(spans) for symbol, spans in wanted.items()}
        work = Backfill(providers, publisher, interval, left, progress.say, advance, state if resumable else None)
        try:
            work.run(stop)
        finally:
            progress.end()
            skipped = f", skipped {work.skipped}" if work.skipped else ""
            plural = "" if len(work.last) == 1 else "s"
            print(f"published {work.published} events of {len(work.last)} symbol{plural}{skipped}", flush=True)
        if work.is_over and resumable:
            with writing(state) as connection:
                forget_progress(connection, wanted, interval)
    if stop.requested and work.left:
        print("stopped: the same command goes on from here", flush=True)
    return work


def _print_without_prices(work: Backfill, wanted: Iterable[str]) -> None:
    # Some providers say so of a symbol that they do not know, too.
    spoken_of = work.last.keys() | work.failed.keys() | work.left.keys() | work.resumed
    if nothing := [symbol for symbol in wanted if symbol not in spoken_of]:
        names = ", ".join(each.name for each in work.providers)
        print(f"{join_names(nothing)}: {names} has no prices of that time", file=sys.stderr)


def _left_over(work: Backfill) -> ProviderError:
    reasons = "; ".join(map(str, work.halts.values()))
    limits = [error.retry_at for error in work.halts.values() if isinstance(error, RateLimited)]
    again = f" after {min(limits):%Y-%m-%d %H:%M:%S} UTC" if limits else " when that is mended"
    return ProviderError(f"{join_names(work.left)} left: {reasons}; run the same command again{again}")


def fill_gaps(
    settings: Settings,
    symbols: Sequence[str],
    since: datetime | None,
    interval: Interval | None,
    now: datetime,
    stop: Stop,
) -> Backfill | None:
    """Publish what is missing in the history, and say what is missing still; None where nothing was."""
    resolution = interval.length if interval else resolution_of(settings.schedule)
    sessions = load_market_calendar(settings.market).sessions if settings.market else None

    with history_database(settings) as engine:

        def find() -> list[tuple[str, Gap]]:
            return list(gaps_by_symbol(engine, resolution, now, symbols, since, sessions))

        wanted: dict[str, list[TimeRange]] = {}
        for symbol, hole in find():
            wanted.setdefault(symbol, []).append(_span(hole, resolution))
        if not wanted:
            print("no holes")
            if unknown := symbols_without_prices(engine, symbols) if symbols else []:
                print(f"of {join_names(unknown)} nothing is stored: backfill with --since fetches it", file=sys.stderr)
            return None
        apart = Interval.DAY if resolution >= DAY else Interval.FIVE_MINUTES
        work = publish_history(settings, wanted, apart, stop, resumable=False)
        if stop.requested:
            return work
        if not wait_until_stored(engine, work.last.values(), stop):
            print("the history has not stored all of it yet: is ./stockwire consume history running?", file=sys.stderr)
        _print_left(find(), ", ".join(each.name for each in work.providers), settings.market)
        return work


def _span(hole: Gap, resolution: timedelta) -> TimeRange:
    # A bar that is a little early is still the one that was due.
    return TimeRange(hole.since - tolerance(resolution) if resolution < DAY else hole.since, hole.until)


def _print_left(holes: Sequence[tuple[str, Gap]], providers: str, market: str | None) -> None:
    if not holes:
        print("no holes are left")
        return
    missing = sum(hole.missing for _, hole in holes)
    unknown = "" if market else "; STOCKWIRE_MARKET, such as XNYS, would tell when there is none"
    print(
        f"{len(holes)} holes are left, of {missing} prices: there was no trading then, or {providers} has no prices"
        f" of it{unknown}"
    )


def wait_until_stored(engine: Engine, events: Iterable[StockData], stop: Stop) -> bool:
    """Whether the history has all of these within PATIENCE; a stop ends the waiting."""
    deadline = time.monotonic() + PATIENCE
    for event in events:
        while not is_stored(engine, event.symbol, event.provider, event.as_of):
            if time.monotonic() > deadline or stop.wait(0.1):
                return False
    return True
