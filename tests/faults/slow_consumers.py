"""History consumers whose handler takes longer than several heartbeats."""

import ctypes
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from consumers.history.handler import history as real_history
from shared.events import StockData
from shared.messaging.consumer import Consumer, Handler
from shared.settings import Settings
from tests.faults.delivery_log import log_deliveries

SECONDS = 9


def slow(sleep: Callable[[], object]) -> Consumer:
    @contextmanager
    def open_slow(settings: Settings) -> Iterator[Handler]:
        with real_history.open(settings) as handle:

            def handle_slowly(events: Sequence[StockData]) -> None:
                sleep()
                handle(events)

            yield handle_slowly

    return log_deliveries(replace(real_history, open=open_slow))


history = slow(lambda: time.sleep(SECONDS))
# Holds the GIL, so that no other thread can send a heartbeat.
history_without_heartbeats = slow(lambda: ctypes.PyDLL(None).sleep(SECONDS))
