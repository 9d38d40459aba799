"""A history consumer that waits by the wall clock, `time.time()`."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from consumers.history.handler import history as real_history
from shared.errors import StorageUnavailable
from shared.events import StockData
from shared.messaging.consumer import Handler
from shared.settings import Settings
from tests.faults.delivery_log import log_deliveries


@contextmanager
def open_by_wall_clock(settings: Settings) -> Iterator[Handler]:
    with real_history.open(settings) as handle:
        again = 0.0

        def wait_first(events: Sequence[StockData]) -> None:
            nonlocal again
            while time.time() < again:
                time.sleep(0.05)
            try:
                handle(events)
            except StorageUnavailable:
                again = time.time() + 0.5
                raise

        yield wait_first


history = log_deliveries(replace(real_history, open=open_by_wall_clock))
