"""The threads that feed the ring: one listens to RabbitMQ, the other reads what the databases have committed."""

import asyncio
import logging
import threading
from collections.abc import Callable

from fastapi.sse import KEEPALIVE_COMMENT

from consumers.history.queries.rows import PriceRow
from consumers.web.history_database import HistoryDatabase
from consumers.web.live.arrivals import Arrivals
from consumers.web.live.ring import Ring
from consumers.web.live.sources import EventSource
from shared.errors import StorageError
from shared.settings import Settings
from shared.signals import Stop

log = logging.getLogger(__name__)

# Seconds between two looks at the databases: while a price is expected, and otherwise.
_SHORT_INTERVAL = 0.01
_LONG_INTERVAL = 0.5
_KEEPALIVE_INTERVAL = 15.0
_EVENTS_PER_PART = 1000
_JOIN_TIMEOUT = 5.0


class LiveFeed:
    """The ring of live events and the threads that feed it, from `start` to `stop` in the event loop."""

    def __init__(self, settings: Settings, history: HistoryDatabase) -> None:
        self._settings = settings
        self._arrivals = Arrivals()
        self.source = EventSource(settings, history, self._arrivals.body)
        self.ring = Ring()
        self._stop = Stop()
        self._news = threading.Event()
        self._threads: list[threading.Thread] = []
        self._keepalive: asyncio.Task[None] | None = None

    def previous_close(self, price: PriceRow) -> str | None:
        """Return the previous close that the provider told with a stored price, if this process has heard it."""
        return self._arrivals.previous_close(price)

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._arrivals.wake = self._news.set
        self._start(lambda: self._arrivals.listen(self._settings, self._stop), "live-arrivals")
        self._start(lambda: self._follow(loop), "live-feed")
        self._keepalive = asyncio.create_task(self._keep_alive())

    async def stop(self) -> None:
        self.ring.close()
        self._stop.request()
        self._news.set()
        if self._keepalive is not None:
            self._keepalive.cancel()
        for thread in self._threads:
            await asyncio.to_thread(thread.join, _JOIN_TIMEOUT)

    def _start(self, run: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _follow(self, loop: asyncio.AbstractEventLoop) -> None:
        """Read what is new, and hand it to the ring, until a stop is requested."""
        position = None
        is_failing = False
        while not self._stop.requested:
            self._news.clear()
            found = []
            try:
                if position is None:
                    position = self.source.newest()
                    loop.call_soon_threadsafe(self.ring.start, position)
                found = self.source.read(position, _EVENTS_PER_PART)
                is_failing = False
            except StorageError as error:
                if not is_failing:
                    log.warning("%s; live events wait for it", error)
                is_failing = True
            if found:
                position = found[-1].position
                loop.call_soon_threadsafe(self.ring.extend, found)
            elif self._arrivals.are_expected():
                self._news.wait(_SHORT_INTERVAL)
            else:
                self._news.wait(_LONG_INTERVAL)

    async def _keep_alive(self) -> None:
        """Send a comment to all readers now and then, so that they and proxies know that the connection lives."""
        while True:
            await asyncio.sleep(_KEEPALIVE_INTERVAL)
            self.ring.comment(KEEPALIVE_COMMENT)
