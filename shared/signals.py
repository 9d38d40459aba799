"""Stopping on SIGTERM, SIGINT and SIGHUP: the signal only asks, the work in hand is finished first."""

import queue
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType


class Stop:
    """A request to stop that a signal handler may make at any moment.

    It is built on SimpleQueue, whose `put` is reentrant; an Event or a Condition can deadlock when a signal arrives
    while the main thread holds its lock.
    """

    def __init__(self) -> None:
        self.requested = False
        self._token: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._listeners: list[Callable[[], None]] = []

    def request(self) -> None:
        self.requested = True
        self._token.put(None)
        for listener in self._listeners:
            listener()

    @contextmanager
    def calling(self, listener: Callable[[], None]) -> Iterator[None]:
        """Call `listener` when a stop is requested; at once where it was before. It may run in a signal handler."""
        self._listeners = [*self._listeners, listener]
        if self.requested:
            listener()
        try:
            yield
        finally:
            self._listeners = [each for each in self._listeners if each is not listener]

    def wait(self, seconds: float) -> bool:
        """Sleep, but not past a request to stop; says whether there is one."""
        if not self.requested:
            with suppress(queue.Empty):
                self._token.get(timeout=seconds)
        return self.requested


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """A Stop that signals request for as long as the block runs; only the main thread can have one.

    They are SIGTERM, SIGINT, and SIGHUP (the terminal was closed) where nohup does not keep it away.
    """
    stop = Stop()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.request()

    numbers = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    previous = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
