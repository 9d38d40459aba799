"""When syncs are sent: at once and then every so often, or by crontab; by one beat a machine, and never late.

Where a market is set, that is in its open hours, and once after each close.
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

from producer.market_hours import LastSent, MarketHours
from shared.errors import StorageError
from shared.locks import file_lock
from shared.market_calendar import load_market_calendar
from shared.schedule import Schedule
from shared.settings import VAR
from shared.times import EPOCH, format_instant, utc_now

log = logging.getLogger(__name__)

BEAT_LOCK = "beat.lock"
# In seconds: how soon a beat that stands by notices that the other one is gone.
STANDBY = 1.0
TRY_AGAIN = 5.0


def beat_entry(schedule: Schedule) -> dict[str, Any]:
    """Celery's entry for the sync on this schedule.

    The sync's instant is fixed when it is sent, so that a sync delivered twice publishes the same ids twice. What no
    worker took for one interval expires: it would run late, on top of the next.
    """
    entry = {
        "task": "producer.sync",
        "kwargs": {"at": BeatLazyFunc(lambda: format_instant(utc_now()))},
        "options": {"expires": schedule.shortest_interval().total_seconds(), "retry_policy": dict(_UNTIL_IT_IS_BACK)},
    }
    if schedule.every is None:
        return entry | {"schedule": schedule.as_celery()}
    # Last run long ago: the first one is due at once.
    return entry | {"schedule": interval_schedule(schedule.every, nowfun=steady_clock()), "last_run_at": EPOCH}


def last_entry(entry: Mapping[str, Any], now: datetime, until: datetime) -> dict[str, Any]:
    """The same as an entry of its own for the last sync before the market opens again, at `until`."""
    return {
        **entry,
        "kwargs": {**entry["kwargs"], "until": format_instant(until)},
        "options": {**entry["options"], "expires": (until - now).total_seconds()},
    }


def steady_clock() -> Callable[[], datetime]:
    """A clock that starts at the present time and then goes evenly, however the machine's own clock is set."""
    start, mark = utc_now(), time.monotonic()
    return lambda: start + timedelta(seconds=time.monotonic() - mark)


class SingleScheduler(Scheduler):  # type: ignore[misc]
    """Sends what is due for as long as it holds the machine's lock, and stands by while another beat does.

    It keeps no file of the schedule, which a crash could leave truncated.
    """

    folder: Path = VAR
    # The worker that this beat is embedded in; None for a beat of its own.
    parent: int | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._lock: ExitStack | None = None
        self._hours: MarketHours | None = None
        self._waiting = False
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due; returns the seconds until it should be called again."""
        if self.parent is not None and os.getppid() != self.parent:
            # The worker was killed: a beat that outlives it would go on by itself, on settings of old.
            raise SystemExit
        try:
            if self._lock is None and not self._take_over():
                return STANDBY
            # Connects, waiting for as long as it takes; past this point a failure would lose what is due.
            self.producer  # noqa: B018 - a property
            self._follow_close()
        except (AMQPError, KombuError, OSError, SchedulingError, StorageError) as error:
            log.error("beat cannot send: %s; trying again", error)
            return TRY_AGAIN
        self._follow_clock()
        return float(super().tick(*args, **kwargs) or 0)

    def _follow_clock(self) -> None:
        """Let crontabs go on from the present time where the machine's clock was set back behind their last run.

        Celery would have them wait until the clock is where it was, which after an hour's correction is an hour.
        """
        for entry in self.schedule.values():
            now = entry.default_now()
            if entry.last_run_at > now:
                log.info("the clock was set back: %s goes on from %s", entry.task, format_instant(now))
                entry.last_run_at = now
                self._heap = None

    def _follow_close(self) -> None:
        """Send the sync that a close of the market is owed. Raises SchedulingError."""
        now = utc_now()
        if self._hours is not None and (until := self._hours.closing(now)):
            self._send(self.Entry(**last_entry(dict(self.schedule["sync"]), now, until)), self.producer)

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Send what is due, but for a market that is closed; the schedule goes on in either case."""
        if self._hours is not None and not self._hours.is_open(utc_now()):
            return
        try:
            self._send(entry, producer)
        except SchedulingError as error:
            log.error("%s; the next one is sent on schedule", error)

    def _send(self, entry: Any, producer: Any) -> None:
        # As of now, since RabbitMQ may let it wait past a close.
        now = utc_now()
        log.info("sending %s", entry.task)
        self.apply_async(entry, producer=producer, advance=False)
        if self._hours is not None:
            self._hours.sent(now)

    def close(self) -> None:
        super().close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _take_over(self) -> bool:
        with ExitStack() as stack:
            if not stack.enter_context(file_lock(self.folder / BEAT_LOCK)):
                if not self._waiting:
                    log.info("another beat runs on this machine: standing by")
                self._waiting = True
                return False
            if market := self.app.conf.stockwire.market:
                self._hours = MarketHours(load_market_calendar(market), LastSent(self.folder, market), utc_now())
            self._lock = stack.pop_all()
        # What came due while another beat was at work has been sent: begin as if just started.
        self.data.clear()
        self._heap = None
        self.setup_schedule()
        return True


def _report_retry(error: Exception, seconds: float) -> None:
    log.warning("RabbitMQ does not take the sync (%s): trying again in %.1f s", error, seconds)


# A sync that cannot be sent for a while is sent when RabbitMQ is back, or expires.
_UNTIL_IT_IS_BACK = {
    "max_retries": None,
    "interval_start": 0.2,
    "interval_step": 0.5,
    "interval_max": 5.0,
    "errback": _report_retry,
}
