"""The sender: sends the pending deliveries, each target in its own thread, and records the results.

One thread alone uses the database. The threads of the targets get their messages from it and hand it their results, so
no target delays another, or the evaluation of rules.
"""

import logging
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import NamedTuple, Self

from sqlalchemy import Engine
from sqlalchemy.engine import URL

from consumers.alerts.notifications.attempts import Attempt
from consumers.alerts.notifications.channels import OpenChannel, open_channel
from consumers.alerts.notifications.deliveries import (
    Delivery,
    expire,
    join_digest,
    pending_deliveries,
    record_changes,
    remove_old,
    sent_since,
)
from consumers.alerts.notifications.planning import MAX_PENDING, plan_messages
from consumers.alerts.notifications.sender_lock import sender_lock
from consumers.alerts.notifications.target_store import disable_target, read_targets
from consumers.alerts.notifications.target_threads import TargetThreads
from consumers.alerts.notifications.targets import Target
from consumers.alerts.tables import SCHEMA
from shared.backoff import Backoff
from shared.database.engine import check_files, opened, reading, writing
from shared.database.schema import create_schema
from shared.errors import StorageError, StorageReopened
from shared.times import format_duration, utc_now

log = logging.getLogger(__name__)

# Seconds between two looks at the outbox. A new alert wakes the sender at once.
POLL_INTERVAL = 1.0
# Seconds after a stop in which tries still begin, because an alert of the last batch may be old at the next start.
DRAIN_TIMEOUT = 2.0
# Seconds that a stop waits for the tries that are under way. A target that takes longer may get its message again.
STOP_TIMEOUT = 5.0
_SHORTEST_WAIT = timedelta(milliseconds=1)
CLEANING_INTERVAL = timedelta(hours=1)


class _Waiting(NamedTuple):
    """A target with its oldest pending deliveries, and the times of its last messages."""

    target: Target
    pending: Sequence[Delivery]
    sent_at: Sequence[datetime]


class Sender:
    """Sends from the outbox of one database, in threads of this process, within its `with` block.

    While another process sends, this one waits.
    """

    def __init__(
        self, url: URL, clock: Callable[[], datetime] = utc_now, open_channel: OpenChannel = open_channel
    ) -> None:
        self._url = url
        self._clock = clock
        self._stopping = threading.Event()
        self._threads = TargetThreads(clock, open_channel)
        self._finished: list[Attempt] = []
        self._failing: set[int] = set()
        self._next_cleaning = clock()
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._stop()

    def wake(self) -> None:
        """Tell the sender that there are new deliveries. May be called from any thread."""
        self._threads.wake()

    def _stop(self) -> None:
        """Send what is due for a moment, wait for the tries under way, and record their results."""
        self._threads.finish_within(DRAIN_TIMEOUT)
        self._stopping.set()
        self.wake()
        self._thread.join(2 * STOP_TIMEOUT)
        if self._thread.is_alive():
            log.warning("notifications that were just sent could not be recorded, and will be sent again")

    def _run(self) -> None:
        backoff = Backoff(cap=30)
        while not self._stopping.is_set():
            try:
                with opened(self._url) as engine:
                    create_schema(engine, SCHEMA)
                    self._work(engine, backoff)
            except StorageReopened as error:
                log.info("%s", error)
            except StorageError as error:
                log.warning("notifications wait: %s", error)
                self._stopping.wait(backoff.next_delay())
            except Exception as error:  # noqa: BLE001 - the thread must not end; the error's text may hold a URL
                place = traceback.extract_tb(error.__traceback__)[-1]
                log.error("bug: the sender failed (%s in %s); trying again", type(error).__name__, place)
                self._stopping.wait(backoff.next_delay())

    def _work(self, engine: Engine, backoff: Backoff) -> None:
        """Send until a stop. Raises StorageError."""
        while not self._stopping.is_set():
            with sender_lock(engine) as check_lock:
                if check_lock is None:
                    self._wait(POLL_INTERVAL)
                    self._record(engine)
                    continue
                while not self._stopping.is_set():
                    check_lock()
                    self._wait(self._step(engine))
                    backoff.reset()
                self._finish(engine)

    def _wait(self, seconds: float) -> None:
        self._finished += self._threads.wait(seconds)

    def _finish(self, engine: Engine) -> None:
        """Send what is due, and record the tries that are under way."""
        deadline = time.monotonic() + STOP_TIMEOUT
        while (left := deadline - time.monotonic()) > 0:
            pause = self._step(engine)
            if pause and not self._threads.busy:
                return
            self._wait(min(pause, left))
        self._record(engine)

    def _step(self, engine: Engine) -> float:
        """Record results, and start what is due. Return the seconds until the next step. Raises StorageError."""
        # Reading alone would not notice that the file at the path is another one.
        check_files(engine)
        self._record(engine)
        now = self._clock()
        self._clean(engine, now)
        due = [now + timedelta(seconds=POLL_INTERVAL)]
        due += [self._advance(engine, waiting, now) for waiting in self._read(engine, now)]
        return max(0.0, (min(due) - now).total_seconds())

    def _read(self, engine: Engine, now: datetime) -> list[_Waiting]:
        """Return the targets with pending deliveries and without a thread."""
        found = []
        with reading(engine) as connection:
            targets = read_targets(connection)
            for target in targets:
                if target.name in self._threads.busy:
                    continue
                limit = target.at_most
                if pending := pending_deliveries(connection, target.name, MAX_PENDING):
                    sent_at = sent_since(connection, target.name, now - limit.period) if limit else []
                    found.append(_Waiting(target, pending, sent_at))
        self._threads.close_channels(targets)
        return found

    def _advance(self, engine: Engine, waiting: _Waiting, now: datetime) -> datetime:
        """Do what is due for one target, and return when something is due next."""
        target, pending, sent_at = waiting
        head = pending[0]
        if target.disabled_reason:
            with writing(engine) as connection:
                disable_target(connection, target, target.disabled_reason, now)
            return now
        if head.expires_at <= now:
            self._expire(engine, target, head, now)
            return now
        plan = plan_messages(pending, target.at_most, sent_at)
        if plan.joins:
            with writing(engine) as connection:
                join_digest(connection, plan.joins.deliveries, plan.joins.digest_id, plan.joins.due, target.ttl)
            return now
        if plan.due <= now:
            self._threads.start(target, plan.messages)
            return head.expires_at
        return max(now + _SHORTEST_WAIT, min(plan.due, head.expires_at))

    def _expire(self, engine: Engine, target: Target, head: Delivery, now: datetime) -> None:
        reason = f"not tried within {format_duration(target.ttl)}"
        if head.last_error:
            reason += f", because an earlier message failed: {head.last_error}"
        with writing(engine) as connection:
            count = expire(connection, target.name, reason, now)
        log.warning(
            "gave up %d alerts for target %s after %s: ./stockwire alerts --undelivered lists them",
            count,
            target.name,
            format_duration(target.ttl),
        )

    def _record(self, engine: Engine) -> None:
        """Store the results of the finished tries. Raises StorageError, and then keeps them for the next call."""
        if not self._finished:
            return
        now = self._clock()
        with writing(engine) as connection:
            record_changes(connection, [change for each in self._finished for change in each.changes], now)
            for attempt in self._finished:
                if attempt.result.gone:
                    reason = f"{attempt.result.error}: the target wants no more messages"
                    disable_target(connection, attempt.target, reason, now)
        for attempt in self._finished:
            self._log(attempt)
        self._finished.clear()

    def _log(self, attempt: Attempt) -> None:
        """Log when a target begins to fail, when it is disabled, and when it takes messages again."""
        target, result = attempt.target, attempt.result
        if result.error is None:
            if target.id in self._failing:
                self._failing.discard(target.id)
                log.info("target %s takes messages again", target.name)
        elif result.gone:
            log.error("target %s (%s) is disabled: %s", target.name, target.address, result.error)
        elif target.id not in self._failing:
            self._failing.add(target.id)
            log.warning("target %s (%s): %s; trying again", target.name, target.address, result.error)

    def _clean(self, engine: Engine, now: datetime) -> None:
        if now >= self._next_cleaning:
            with writing(engine) as connection:
                has_more = remove_old(connection, now)
            if not has_more:
                self._next_cleaning = now + CLEANING_INTERVAL
