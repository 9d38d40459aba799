"""The newest events, encoded once and shared by all readers."""

import asyncio
from collections import deque
from collections.abc import Sequence

from consumers.web.live.positions import Position
from consumers.web.live.sources import Sent

MOST_EVENTS = 20_000


class Ring:
    """The newest events, numbered from 0 on. Only the thread of the event loop uses it.

    A reader follows the ring by the number of the next event. A reader whose next event is gone is fed from the
    databases, and neither keeps the ring from growing nor keeps anything in memory.
    """

    def __init__(self, most: int = MOST_EVENTS) -> None:
        self.head: Position | None = None  # None until the databases have been read
        self.end = 0
        self.closed = False
        self._events: deque[Sent] = deque(maxlen=most)
        self._changed = asyncio.Event()

    def start(self, head: Position) -> None:
        """Begin with the events after a position."""
        self.head = head
        self._tell()

    def extend(self, found: Sequence[Sent]) -> None:
        """Add events, and wake all readers."""
        self._events.extend(found)
        self.end += len(found)
        self.head = found[-1].position
        self._tell()

    def comment(self, content: bytes) -> None:
        """Send a comment to all readers."""
        if self.head is not None:
            self._events.append(Sent(self.head, content))
            self.end += 1
        self._tell()

    def close(self) -> None:
        """Let all readers end."""
        self.closed = True
        self._tell()

    def after(self, place: int, most: int) -> list[Sent] | None:
        """Return up to `most` events from a number on, or None if the first of them is gone."""
        first = len(self._events) - (self.end - place)
        if first < 0:
            return None
        return [self._events[index] for index in range(first, min(first + most, len(self._events)))]

    async def wait(self, place: int) -> None:
        """Wait until there is an event with this number, or the ring is closed."""
        while self.end <= place and not self.closed:
            await self._changed.wait()

    async def wait_for_head(self) -> Position | None:
        """Return the head as soon as it is known, or None if the ring is closed before."""
        while self.head is None and not self.closed:
            await self._changed.wait()
        return self.head

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
