"""A minimum distance between requests, for APIs with a limit per second."""

import threading
import time


class Throttle:
    """Lets `per_second` requests through, evenly spaced over all threads; None lets all requests through at once."""

    def __init__(self, per_second: float | None) -> None:
        self._interval = 1 / per_second if per_second else 0.0
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self) -> None:
        """Sleep until this request may be sent."""
        if not self._interval:
            return
        with self._lock:
            now = time.monotonic()
            start = max(now, self._next)
            self._next = start + self._interval
        time.sleep(start - now)
