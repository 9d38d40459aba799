"""The scheduler of syncs: one beat per machine sends them, by interval or crontab, and never late.

With a market, syncs are sent while it is open and once after each close.
"""

import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from amqp.exceptions import AMQPError  # type: ignore[import-untyped]
from celery.beat import BeatLazyFunc, Scheduler, SchedulingError
from celery.schedules import schedule as interval_schedule
from kombu.exceptions import KombuError

# The backend of results is imported with this module: if SIGTERM came while Celery imports it, beat would end with a
# traceback, because Celery's handler of SIGTERM needs the same module.
import producer.results  # noqa: F401
from producer.broker_errors import describe_error
from producer.market_hours import LastSync, MarketHours
from producer.state import BEAT_LOCK
from producer.task_queue.topology import BEAT_DECLARING, WORKER
from shared.errors import StorageError
from shared.locks import file_lock
from shared.market_calendar import load_market_calendar
from shared.schedule import Schedule
from shared.settings import VAR
from shared.times import EPOCH, format_instant, utc_now

log = logging.getLogger(__name__)

# How soon a standby beat notices that the active one is gone.
STANDBY_SECONDS = 1.0
RETRY_SECONDS = 5.0


def beat_entry(schedule: Schedule) -> dict[str, Any]:
    """Return Celery's entry for the sync on this schedule.

    The instant of a sync is fixed when it is sent, so that a sync delivered twice publishes the same ids twice. A sync
    that no worker takes within one interval expires: it would run at the same time as the next.
    """
    entry = {
        "task": "producer.sync",
        "kwargs": {"at": BeatLazyFunc(lambda: format_instant(utc_now()))},
        "options": {"expires": schedule.shortest_interval().total_seconds(), "retry_policy": dict(_RETRY_POLICY)},
    }
    if schedule.every is None:
        return entry | {"schedule": schedule.as_celery()}
    # The last run was long ago, so the first sync is due at once.
    return entry | {"schedule": interval_schedule(schedule.every, nowfun=steady_clock()), "last_run_at": EPOCH}


def closing_entry(entry: Mapping[str, Any], now: datetime, until: datetime) -> dict[str, Any]:
    """Return the entry for the sync after a close, which is worth running until the market opens again."""
    return {
        **entry,
        "kwargs": {**entry["kwargs"], "until": format_instant(until)},
        "options": {**entry["options"], "expires": (until - now).total_seconds()},
    }


def steady_clock() -> Callable[[], datetime]:
    """Return a clock that starts at the present time and ignores later changes of the machine's clock."""
    start, mark = utc_now(), time.monotonic()
    return lambda: start + timedelta(seconds=time.monotonic() - mark)


class SingleScheduler(Scheduler):  # type: ignore[misc]
    """Sends what is due while it holds the machine's lock, and stands by while another beat holds the lock.

    The schedule is not kept in a file, because a crash could truncate the file.
    """

    folder: Path = VAR
    # The process id of the worker that this beat is embedded in; None for a beat of its own.
    parent: int | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._lock: ExitStack | None = None
        self._hours: MarketHours | None = None
        self._logged_standby = False
        self._refusal: SystemExit | None = None
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due, and return the seconds until the next tick."""
        if self.parent is not None and os.getppid() != self.parent:
            # The worker was killed. Its beat must not go on alone, with old settings.
            raise SystemExit
        try:
            if self._lock is None and not self._take_lock():
                return STANDBY_SECONDS
            # Connect now, and wait for RabbitMQ if necessary: a failure after this point would lose what is due.
            self.producer  # noqa: B018 - a property
            self._send_closing_sync()
        except (AMQPError, KombuError, OSError, SchedulingError, StorageError) as error:
            self._end_if_refused(error)
            log.error("beat cannot send: %s; retrying in %.0f s", error, RETRY_SECONDS)
            return RETRY_SECONDS
        self._follow_clock()
        return float(super().tick(*args, **kwargs) or 0)

    def _follow_clock(self) -> None:
        """Continue crontabs from the present time after the machine's clock was set back.

        Celery would wait until the clock reaches the last run again, which may take hours.
        """
        for entry in self.schedule.values():
            now = entry.default_now()
            if entry.last_run_at > now:
                log.info("the clock was set back: %s continues from %s", entry.task, format_instant(now))
                entry.last_run_at = now
                self._heap = None

    def _send_closing_sync(self) -> None:
        """Send the sync after a close if it is due. Raises SchedulingError."""
        now = utc_now()
        if self._hours is not None and (until := self._hours.closing_sync_until(now)):
            self._send(self.Entry(**closing_entry(dict(self.schedule["sync"]), now, until)), self.producer)

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Send what is due unless the market is closed; the schedule advances in both cases."""
        if self._hours is not None and not self._hours.is_open(utc_now()):
            return
        try:
            self._send(entry, producer)
        except SchedulingError as error:
            self._end_if_refused(error)
            log.error("%s; the next sync is sent on schedule", error)

    def _send(self, entry: Any, producer: Any) -> None:
        # Take the time before sending: RabbitMQ may block past a close, which then still needs its sync.
        now = utc_now()
        log.info("sending %s", entry.task)
        self.apply_async(entry, producer=producer, advance=False)
        if self._hours is not None:
            self._hours.record_sync(now)

    def _end_if_refused(self, error: BaseException) -> None:
        """End beat if RabbitMQ refuses a permission, because trying again cannot help.

        Celery ends beat without a message after SystemExit, so `close` raises it again.
        """
        needed = BEAT_DECLARING if self.parent is None else WORKER
        if line := describe_error(error, self.app.conf.stockwire.amqp_url, needed):
            self._refusal = SystemExit(f"stockwire: {line}")
            raise self._refusal

    def close(self) -> None:
        super().close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        if self._refusal is not None:
            raise self._refusal

    def _take_lock(self) -> bool:
        with ExitStack() as stack:
            if not stack.enter_context(file_lock(self.folder / BEAT_LOCK)):
                if not self._logged_standby:
                    log.info("another beat runs on this machine: standing by")
                self._logged_standby = True
                return False
            if market := self.app.conf.stockwire.market:
                self._hours = MarketHours(load_market_calendar(market), LastSync(self.folder, market), utc_now())
            self._lock = stack.pop_all()
        # The other beat has sent what came due until now, so the schedule starts again.
        self.data.clear()
        self._heap = None
        self.setup_schedule()
        return True


def _log_retry(error: Exception, seconds: float) -> None:
    log.warning("RabbitMQ does not accept the sync (%s): retrying in %.1f s", error, seconds)


# A sync that cannot be sent is sent when RabbitMQ is back, or expires.
_RETRY_POLICY = {
    "max_retries": None,
    "interval_start": 0.2,
    "interval_step": 0.5,
    "interval_max": 5.0,
    "errback": _log_retry,
}
