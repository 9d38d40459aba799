"""Stopping on SIGTERM, SIGINT and SIGHUP. A signal only requests the stop; the current work is finished first."""

import queue
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_LONGEST_SLEEP = 1.0  # in seconds


class Stop:
    """A request to stop, which a signal handler may make at any moment.

    The class uses SimpleQueue because its `put` is reentrant. An Event or a Condition can deadlock if a signal arrives
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
        """Call `listener` as soon as a stop is requested, or at once if it already is.

        The listener may run in a signal handler.
        """
        self._listeners = [*self._listeners, listener]
        if self.requested:
            listener()
        try:
            yield
        finally:
            self._listeners = [each for each in self._listeners if each is not listener]

    def wait(self, seconds: float) -> bool:
        """Sleep until a stop is requested, at most `seconds`. Return True if a stop is requested.

        A signal that comes in the moment between Python's last look for signals and the sleep does not end the sleep,
        and its handler runs after it. So no sleep takes longer than a second.
        """
        end = time.monotonic() + seconds
        while not self.requested and (left := end - time.monotonic()) > 0:
            with suppress(queue.Empty):
                self._token.get(timeout=min(left, _LONGEST_SLEEP))
        return self.requested


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Yield a Stop that SIGTERM, SIGINT and SIGHUP request while the block runs. Only the main thread can use this.

    SIGHUP (the terminal was closed) is left alone if nohup ignores it.
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
