"""The bytes of the messages that a consumer holds, and the wait of the reader thread while they are too many.

RabbitMQ's prefetch counts messages, whatever their size, and RabbitMQ has no limit in bytes.
"""

import threading
import time
from collections.abc import Callable

# Bytes.
MAX_HELD = 16 * 1024 * 1024
# A part of MAX_HELD, so that the next messages arrive while a batch is handled.
MAX_BATCH = MAX_HELD // 4

# RabbitMQ closes a connection that takes nothing for 30 s. While a batch takes longer than this many seconds, the limit
# grows each time by so many bytes, which is enough to empty the buffers of both sockets.
GROWTH_INTERVAL = 12.0
GROWTH = 4 * 1024 * 1024

# Seconds between two checks of a waiting reader thread.
_CHECK_INTERVAL = 0.05


class HeldBytes:
    """Counts bytes that one thread, the reader, adds, and that another thread, the consumer, releases."""

    def __init__(self) -> None:
        # Each thread changes only its own count, so no lock is needed.
        self._added = 0
        self._released = 0
        self._limit = MAX_HELD
        self._freed = threading.Event()

    def add(self, count: int) -> None:
        self._added += count

    def release(self, count: int) -> None:
        self._released += count
        self._freed.set()

    def wait_for_room(self, may_wait: Callable[[], bool]) -> None:
        """Wait until at most MAX_HELD bytes are held, or a little more after GROWTH_INTERVAL seconds.

        Returns early if `may_wait` returns False, which is called every _CHECK_INTERVAL seconds.
        """
        if self._held <= MAX_HELD:
            self._limit = MAX_HELD
        deadline = time.monotonic() + GROWTH_INTERVAL
        while self._held > self._limit and may_wait():
            if time.monotonic() > deadline:
                self._limit = self._held + GROWTH
            self._freed.wait(_CHECK_INTERVAL)
            self._freed.clear()

    @property
    def _held(self) -> int:
        return self._added - self._released
