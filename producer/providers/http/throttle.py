"""Keeping calls apart, where an API takes only so many a second."""

import threading
import time


class Throttle:
    """Lets so many calls a second through, evenly, whichever thread they come from; None lets all through."""

    def __init__(self, requests_per_second: float | None) -> None:
        self._apart = 1 / requests_per_second if requests_per_second else 0.0
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self) -> None:
        """Sleep until it is this call's turn."""
        if not self._apart:
            return
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._apart
        time.sleep(turn - now)
