"""The setting STOCKWIRE_RETENTION: the history consumer itself removes old quotes while no batch waits."""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Engine

from consumers.history.pruning import Pruning
from shared.times import format_duration, utc_now

log = logging.getLogger(__name__)

# Seconds between the ends of two removals.
INTERVAL = 3600.0
# Seconds of work in one pause of the consumer, which has such a pause every 2 seconds.
MOST_WORK = 0.2


class Retention:
    """Removes the quotes that are older than `age`: at the start, and then every hour."""

    def __init__(
        self,
        engine: Engine,
        age: timedelta,
        clock: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._age = age
        self._clock = clock
        self._monotonic = monotonic
        self._pruning: Pruning | None = None
        self._due = monotonic()

    def is_due(self) -> bool:
        return self._monotonic() >= self._due

    def work(self) -> None:
        """Remove some old quotes. Raises StorageError; a later call then goes on."""
        start = self._monotonic()
        if self._pruning is None:
            self._pruning = Pruning(self._engine, self._clock() - self._age)
        while self._pruning.step():
            if self._monotonic() - start > MOST_WORK:
                return
        if count := self._pruning.removed.total():
            log.info("removed %d quotes that were older than %s", count, format_duration(self._age))
        self._pruning = None
        self._due = self._monotonic() + INTERVAL
