"""The bytes of the messages that a consumer holds, and the wait of the reader thread while they are too many.

RabbitMQ's prefetch counts messages, whatever their size, and RabbitMQ has no limit in bytes.
"""

import threading
from collections.abc import Callable

# Bytes.
MAX_HELD = 16 * 1024 * 1024
# A part of MAX_HELD, so that the next messages arrive while a batch is handled.
MAX_BATCH = MAX_HELD // 4

# Seconds between two checks of a waiting reader thread.
_CHECK_INTERVAL = 0.05


class HeldBytes:
    """Counts bytes that one thread, the reader, adds, and that another thread, the consumer, releases."""

    def __init__(self) -> None:
        # Each thread changes only its own count, so no lock is needed.
        self._added = 0
        self._released = 0
        self._freed = threading.Event()

    def add(self, count: int) -> None:
        self._added += count

    def release(self, count: int) -> None:
        self._released += count
        self._freed.set()

    def wait_for_room(self, may_wait: Callable[[], bool]) -> None:
        """Wait until at most MAX_HELD bytes are held, or until `may_wait` returns False.

        `may_wait` is called every _CHECK_INTERVAL seconds.
        """
        while self._added - self._released > MAX_HELD and may_wait():
            self._freed.wait(_CHECK_INTERVAL)
            self._freed.clear()
