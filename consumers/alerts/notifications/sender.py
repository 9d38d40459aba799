"""The sender: sends the pending deliveries, each target in its own thread, and records the results.

One thread alone uses the database. The threads of the targets get their messages from it, and hand it their results, so
neither a target nor their number delays the evaluation of rules.
"""

import logging
import math
import queue
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import NamedTuple, Self

from sqlalchemy import Engine
from sqlalchemy.engine import URL

from consumers.alerts.notifications.attempts import Attempt, changes_after, try_to_send
from consumers.alerts.notifications.channels import LazyChannel, OpenChannel, open_channel
from consumers.alerts.notifications.deliveries import (
    Delivery,
    expire,
    join_digest,
    pending_deliveries,
    record_changes,
    remove_old,
    sent_since,
)
from consumers.alerts.notifications.planning import MAX_PENDING, make_notification, plan_messages
from consumers.alerts.notifications.sender_lock import sender_lock
from consumers.alerts.notifications.target_store import disable_target, read_targets
from consumers.alerts.notifications.targets import Target
from consumers.alerts.tables import SCHEMA
from shared.backoff import Backoff
from shared.database import check_files, opened, reading, writing
from shared.errors import StorageError, StorageReopened
from shared.schema import create_schema
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
        self._open_channel = open_channel
        self._stopping = threading.Event()
        # The time, on the monotonic clock, after which no further try begins.
        self._last_start = math.inf
        # Finished tries, the name of a target whose thread has ended, or None for a new alert.
        self._inbox: queue.SimpleQueue[Attempt | str | None] = queue.SimpleQueue()
        self._finished: list[Attempt] = []
        self._busy: set[str] = set()
        self._channels: dict[int, LazyChannel] = {}
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
        self._inbox.put(None)

    def _stop(self) -> None:
        """Send what is due for a moment, wait for the tries under way, and record their results."""
        self._last_start = time.monotonic() + DRAIN_TIMEOUT
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
                    continue
                while not self._stopping.is_set():
                    check_lock()
                    self._wait(self._step(engine))
                    backoff.reset()
                self._finish(engine)

    def _wait(self, seconds: float) -> None:
        """Wait for a finished try or a new alert, at most this long, and take all that have come."""
        deadline = time.monotonic() + seconds
        while not self._stopping.is_set() or self._busy:
            try:
                self._take(self._inbox.get(timeout=max(0.0, deadline - time.monotonic())))
            except queue.Empty:
                return
            deadline = 0.0

    def _take(self, item: Attempt | str | None) -> None:
        if isinstance(item, Attempt):
            self._finished.append(item)
        elif item is not None:
            self._busy.discard(item)

    def _finish(self, engine: Engine) -> None:
        """Send what is due, and record the tries that are under way."""
        deadline = time.monotonic() + STOP_TIMEOUT
        while (left := deadline - time.monotonic()) > 0:
            pause = self._step(engine)
            if pause and not self._busy:
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
                if target.name in self._busy:
                    continue
                limit = target.at_most
                if pending := pending_deliveries(connection, target.name, MAX_PENDING):
                    sent_at = sent_since(connection, target.name, now - limit.period) if limit else []
                    found.append(_Waiting(target, pending, sent_at))
        self._close_channels({target.id for target in targets})
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
        if plan.due <= now and time.monotonic() < self._last_start:
            self._start(target, plan.messages)
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

    def _start(self, target: Target, messages: Sequence[Sequence[Delivery]]) -> None:
        channel = self._channels.get(target.id)
        if channel is None or channel.target != target:
            channel = self._channels[target.id] = LazyChannel(target, self._open_channel)
        thread = threading.Thread(
            target=self._send, args=(channel, messages), name=f"target {target.name}", daemon=True
        )
        self._busy.add(target.name)
        try:
            thread.start()
        except BaseException:
            self._busy.discard(target.name)
            raise

    def _send(self, channel: LazyChannel, messages: Sequence[Sequence[Delivery]]) -> None:
        """Send messages in order, until one fails. Runs in the target's thread."""
        try:
            for members in messages:
                if time.monotonic() >= self._last_start or self._clock() >= members[0].expires_at:
                    return
                result = try_to_send(channel, partial(make_notification, members))
                changes = changes_after(members, result, self._clock())
                self._inbox.put(Attempt(channel.target, result, changes))
                if result.error is not None:
                    return
        finally:
            self._inbox.put(channel.target.name)

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

    def _close_channels(self, kept: set[int]) -> None:
        for target_id in self._channels.keys() - kept:
            if self._channels[target_id].target.name not in self._busy:
                self._channels.pop(target_id).close()
