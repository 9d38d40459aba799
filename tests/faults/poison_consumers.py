"""History consumers for poison messages: some fail on one symbol, some lack the protection against poison."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from consumers.history.handler import history
from shared.errors import InvalidEvent, StorageUnavailable
from shared.events import StockData
from shared.messaging import delivery, runner
from shared.messaging.consumer import Consumer, Handler
from shared.messaging.messages import Delivery
from shared.settings import Settings
from tests.faults.delivery_log import log_deliveries

POISON = "POISON"
TAKEN = "poison taken"


def upset(act: Callable[[], None]) -> Consumer:
    """Return history that calls `act` on a batch with the poison before it stores anything."""

    def before(events: Sequence[StockData]) -> Sequence[StockData]:
        if any(event.symbol == POISON for event in events):
            print(TAKEN, flush=True)
            act()
        return events

    return looking_first(history, before)


def looking_first(consumer: Consumer, look: Callable[[Sequence[Any]], Sequence[Any]]) -> Consumer:
    """Return the consumer, which now handles what `look` returns for each batch."""

    @contextmanager
    def open_looking(settings: Settings) -> Iterator[Handler]:
        with consumer.open(settings) as handle:
            yield lambda events: handle(look(events))

    return replace(consumer, open=open_looking)


def fail() -> None:
    raise LookupError("cannot digest it")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def unsuspecting(consumer: Consumer) -> Consumer:
    """Return the consumer, which now takes many messages at a time even if they were redelivered often."""

    @contextmanager
    def open_unsuspecting(settings: Settings) -> Iterator[Handler]:
        runner.ATTEMPTS_BEFORE_SPLITTING = runner.ATTEMPTS_BEFORE_ISOLATION = sys.maxsize
        with consumer.open(settings) as handler:
            yield handler

    return replace(consumer, open=open_unsuspecting)


def rejecting_singly(consumer: Consumer) -> Consumer:
    """Return the consumer, which now waits for the confirm of each dead letter."""

    @contextmanager
    def open_rejecting(settings: Settings) -> Iterator[Handler]:
        delivery.MAX_REJECTED = 1
        with consumer.open(settings) as handler:
            yield handler

    return replace(consumer, open=open_rejecting)


def undecoded(message: Delivery, now: datetime) -> StockData | None:
    """Decode an event, or return None if the message is not an event."""
    try:
        return history.decode(message, now)
    except InvalidEvent:
        return None


def drop(events: Sequence[StockData | None]) -> Sequence[StockData]:
    return [event for event in events if event is not None]


def wait_for_better(events: Sequence[StockData | None]) -> Sequence[StockData]:
    if None in events:
        raise StorageUnavailable("this is not an event yet")
    return drop(events)


failing = log_deliveries(upset(fail))
dying = log_deliveries(upset(die))
dying_unsuspecting = unsuspecting(dying)
rejecting_one_by_one = log_deliveries(rejecting_singly(history))
dropping = log_deliveries(replace(looking_first(history, drop), decode=undecoded))
trying_for_ever = log_deliveries(replace(looking_first(history, wait_for_better), decode=undecoded))
failing_for_ever = log_deliveries(upset(lambda: wait_for_better([None])))
