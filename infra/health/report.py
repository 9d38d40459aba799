"""The report on the health of the whole pipeline."""

import platform
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

from consumers.web.health import Health, MarketHealth, Problem, ProcessHealth, SyncHealth
from infra.health.broker_probe import BrokerLook, BrokerProbe
from infra.health.databases import read_databases, read_targets_health
from infra.health.problems import find_problems
from infra.health.providers import read_providers
from infra.health.syncs import describe_sync, read_syncs
from infra.up.stack import CONSUMERS
from producer.state import BEAT_LOCK
from producer.task_queue.topology import QUEUE
from shared.errors import SettingsError, StorageError
from shared.locks import is_locked
from shared.market_calendar import MarketCalendar
from shared.messaging.topology import queue_name
from shared.schedule import Schedule
from shared.settings import VAR, Settings
from shared.times import format_instant, parse_instant, utc_now

QUEUES = (*map(queue_name, CONSUMERS), QUEUE)

# Seconds for which a report counts, however many readers ask.
_FRESH = 1.0

_RUN_PRODUCER = "run ./stockwire up, or celery -A producer worker --beat"
_LIBRARIES = ("celery", "amqpstorm", "sqlalchemy", "fastapi")

T = TypeVar("T")


class HealthReporter:
    """Finds out about all parts. An answer takes as long as the databases need, and at most 1.5 s for RabbitMQ."""

    def __init__(
        self,
        settings: Settings,
        probe: BrokerProbe,
        market: MarketCalendar | None,
        folder: Path = VAR,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._settings = settings
        self._probe = probe
        self._market = market
        self._folder = folder
        self._clock = clock
        self._lock = threading.Lock()
        self._last: Health | None = None
        self._reported = 0.0

    def report(self) -> Health:
        """Return the health now. A part that cannot be read is a problem, and not an error."""
        # A calendar is not made for several threads at once.
        with self._lock:
            if self._last is None or time.monotonic() - self._reported > _FRESH:
                self._last = self._find()
                self._reported = time.monotonic()
            return self._last

    def _find(self) -> Health:
        settings, now = self._settings, self._clock()
        unreadable: list[Problem] = []
        look = self._probe.look()
        syncs = _attempt("results", lambda: read_syncs(settings.results_url), unreadable)
        providers = _attempt("producer", lambda: read_providers(settings, syncs, self._folder, now), unreadable)
        targets = _attempt("alerts", lambda: read_targets_health(settings.alerts_url), unreadable)
        databases = read_databases(settings, self._folder)
        last_sync = next((describe_sync(each) for each in syncs if not each.is_skipped), None)
        worker, beat = describe_worker(look), describe_beat(self._folder)
        problems = find_problems(look.broker, look.queues, (worker, beat), last_sync, providers, databases, targets)
        return Health(
            checked_at=format_instant(now),
            problems=[*unreadable, *problems],
            schedule=str(settings.schedule),
            next_sync=self._next_sync(last_sync, beat, now),
            last_sync=last_sync,
            market=None if self._market is None else describe_market(self._market, now),
            worker=worker,
            beat=beat,
            providers=providers,
            broker=look.broker,
            queues=look.queues,
            databases=databases,
            targets=targets,
            versions=read_versions(look),
        )

    def _next_sync(self, last_sync: SyncHealth | None, beat: ProcessHealth, now: datetime) -> str | None:
        if not beat.alive:
            return None
        last = parse_instant(last_sync.at) if last_sync is not None and last_sync.at else None
        found = next_sync(self._settings.schedule, last, now)
        if self._market is not None and found is not None:
            with suppress(SettingsError):
                found = within_market(self._market, found, now)
        return None if found is None else format_instant(found)


def _attempt(part: str, read: Callable[[], list[T]], unreadable: list[Problem]) -> list[T]:
    """Return what is read, or nothing and one more problem if the database of the part cannot be read."""
    try:
        return read()
    except StorageError as error:
        unreadable.append(Problem("fault", part, str(error)))
        return []


def next_sync(schedule: Schedule, last: datetime | None, now: datetime) -> datetime | None:
    """Return when the next sync is due; an interval counts from the last sync, and what is overdue is due now."""
    if schedule.every is None:
        return schedule.next_run(now)
    return now if last is None else max(now, last + schedule.every)


def within_market(market: MarketCalendar, due: datetime, now: datetime) -> datetime:
    """Return when a sync that is due comes: not before the market opens, and at the latest after it closes.

    Raises SettingsError outside the calendar.
    """
    if not market.is_open(now):
        return max(due, market.next_open(now))
    close = closing_time(market, now)
    return due if close is None else min(due, close)


def closing_time(market: MarketCalendar, now: datetime) -> datetime | None:
    """Return when the trading that is under way ends, also before a lunch break; None if the market is closed."""
    sessions = market.sessions(now, now + timedelta(days=1))
    hours = (stretch for session in sessions for stretch in session.open_hours())
    return next((end for start, end in hours if start <= now < end), None)


def describe_market(market: MarketCalendar, now: datetime) -> MarketHealth:
    """Return if the market is open, and until when."""
    zone = str(market.zone)
    try:
        is_open = market.is_open(now)
        until = closing_time(market, now) if is_open else market.next_open(now)
    except SettingsError as error:
        return MarketHealth(market.name, zone, None, None, str(error))
    word = f"{market.name} is {'open' if is_open else 'closed'}"
    if until is None:
        return MarketHealth(market.name, zone, is_open, None, word)
    return MarketHealth(market.name, zone, is_open, format_instant(until), f"{word} until {until:%Y-%m-%d %H:%M} UTC")


def describe_worker(look: BrokerLook) -> ProcessHealth:
    """Return if a Celery worker takes the syncs: one that does consumes their queue."""
    if not look.broker.available:
        return ProcessHealth(None, "it is not known if a worker runs while RabbitMQ does not answer")
    workers = look.consumers.get(QUEUE, 0)
    if not workers:
        return ProcessHealth(False, f"no Celery worker takes the syncs: {_RUN_PRODUCER}")
    return ProcessHealth(True, "1 worker takes the syncs" if workers == 1 else f"{workers} workers take the syncs")


def describe_beat(folder: Path) -> ProcessHealth:
    """Return if a beat runs on this machine: a beat holds a lock."""
    if is_locked(folder / BEAT_LOCK):
        return ProcessHealth(True, "beat sends the syncs on schedule")
    return ProcessHealth(False, f"no beat runs on this machine, so no sync is sent on schedule: {_RUN_PRODUCER}")


@cache
def _own_versions() -> Mapping[str, str]:
    found = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def read_versions(look: BrokerLook) -> Mapping[str, str]:
    """Return the versions of the parts that can be told."""
    found = dict(_own_versions())
    if look.broker.version:
        found[(look.broker.product or "rabbitmq").lower()] = look.broker.version
    return found
