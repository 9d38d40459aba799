"""The stream of one reader: what it missed out of the databases, then what is new out of the ring."""

import random
from collections.abc import AsyncIterator

from starlette.concurrency import iterate_in_threadpool, run_in_threadpool

from consumers.web.live.positions import Position
from consumers.web.live.ring import Ring
from consumers.web.live.sources import EventSource, joined

# Events that are read at once from the databases, or taken at once from the ring.
_EVENTS_PER_PART = 500
# Milliseconds that a reader is told to wait before it connects again, so that many do not come at once.
_RETRY = (1000, 5000)


class EventStream:
    """The state of one reader: the position of its last event, and the place of its next event in the ring.

    Without a place it is fed from the databases, up to the head of the ring.
    """

    def __init__(self, source: EventSource, ring: Ring) -> None:
        self._source = source
        self._ring = ring
        self._position = Position()
        self._place: int | None = None

    async def parts(self, after: Position | None) -> AsyncIterator[bytes]:
        """Yield the events after a position, or from now on, until the ring is closed."""
        head = await self._ring.wait_for_head()
        if head is None:
            return
        if after is None:
            self._position, self._place = head, self._ring.end
        else:
            self._position = after.up_to(head)
        yield _preamble(self._position)
        if after is not None:
            async for content in iterate_in_threadpool(self._source.read_older(after)):
                yield content
        while not self._ring.closed:
            content = await (self._from_databases() if self._place is None else self._from_ring(self._place))
            if content:
                yield content

    async def _from_ring(self, place: int) -> bytes:
        """Return the next events. A reader who was so slow that they are gone is fed from the databases."""
        await self._ring.wait(place)
        found = self._ring.after(place, _EVENTS_PER_PART)
        if found is None:
            self._place = None
            return b""
        self._place = place + len(found)
        if found:
            self._position = found[-1].position
        return joined(found)

    async def _from_databases(self) -> bytes:
        """Return the next events up to the head of the ring. A reader who has all of them follows the ring."""
        head, place = self._ring.head or Position(), self._ring.end
        self._position = self._position.up_to(head)
        if self._position == head:
            self._place = place
            return b""
        found = await run_in_threadpool(self._source.read, self._position, _EVENTS_PER_PART, head)
        # Without events before the head, the last of them were deleted.
        self._position = found[-1].position if found else head
        return joined(found)


def _preamble(position: Position) -> bytes:
    """Return the time to wait before connecting again, and the position of a reader who gets no event before that."""
    return f"retry: {random.randint(*_RETRY)}\nid: {position}\n\n".encode()  # noqa: S311 - no secret
