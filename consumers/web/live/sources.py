"""Events out of the logs of both databases, encoded as server-sent events."""

import heapq
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple

from fastapi.sse import format_sse_event

from consumers.alerts import event_log
from consumers.alerts.alert_pages import AlertFilter, alerts_page
from consumers.alerts.databases import open_stored_alerts
from consumers.history.queries import live_events
from consumers.history.queries.prices import history_exists
from consumers.web.history_database import HistoryDatabase
from consumers.web.live.positions import Position
from shared.database.engine import reading
from shared.database.reader import Reader, open_reader
from shared.database.sqlite.reading import database_exists
from shared.events import StockData
from shared.settings import Settings
from shared.times import from_micros

PRICE = "price"
ALERT = "alert"

_ALERTS_PER_PART = 1000
# An alert may be committed after it was triggered. What is older than this does not come again.
_LONGEST_DELAY = timedelta(days=1)

# Returns the body with which a price arrived, or None if that is not known any more.
ArrivedBody = Callable[[StockData], bytes | None]


class Sent(NamedTuple):
    """An event as it is sent, and the position of a reader who has it."""

    position: Position
    content: bytes


class EventSource:
    """Reads events out of the databases. Every method may be called in any thread, and raises StorageError."""

    def __init__(self, settings: Settings, history: HistoryDatabase, arrived_body: ArrivedBody) -> None:
        self._settings = settings
        self._history = history
        self._arrived_body = arrived_body

    def newest(self) -> Position:
        """Return the position of a reader who has everything."""
        with self._prices() as prices, self._alerts() as alerts:
            return Position(
                live_events.newest_number(prices) if prices else 0, event_log.newest_number(alerts) if alerts else 0
            )

    def read(self, after: Position, most: int, head: Position | None = None) -> list[Sent]:
        """Return the first `most` events after a position, up to the head."""
        found = heapq.merge(self._read_prices(after.price, most, head), self._read_alerts(after.alert, most, head))
        sent = []
        position = after
        for number, kind, body in list(found)[:most]:
            position = position._replace(**{kind: number})
            sent.append(Sent(position, encode(kind, body, position)))
        return sent

    def read_older(self, after: Position) -> Iterator[bytes]:
        """Yield the events that the logs have lost, without ids: a reader who loses the connection begins again."""
        with self._prices() as prices:
            if prices and not live_events.is_logged_since(prices, after.price):
                for event in live_events.read_older_events(prices, after.price):
                    yield encode(PRICE, event.encode())
        yield from self._read_older_alerts(after.alert)

    def _read_prices(self, after: int, most: int, head: Position | None) -> list[tuple[int, str, bytes]]:
        with self._prices() as reader:
            found = live_events.read_live_events(reader, after, most) if reader else []
        wanted = (each for each in found if head is None or each.number <= head.price)
        return [(each.number, PRICE, self._arrived_body(each.event) or each.event.encode()) for each in wanted]

    def _read_alerts(self, after: int, most: int, head: Position | None) -> list[tuple[int, str, bytes]]:
        with self._alerts() as reader:
            found = event_log.read_logged_events(reader, after, most) if reader else []
        wanted = (each for each in found if head is None or each.number <= head.alert)
        return [(each.number, ALERT, each.body.encode()) for each in wanted]

    def _read_older_alerts(self, after: int) -> Iterator[bytes]:
        with self._alerts() as reader:
            if reader is None or event_log.is_logged_since(reader, after):
                return
            end = event_log.oldest_number(reader)
        wanted = AlertFilter(
            max(from_micros(after), from_micros(0) + _LONGEST_DELAY) - _LONGEST_DELAY, from_micros(end)
        )
        last: int | None = None
        with open_stored_alerts(self._settings.alerts_url) as engine:
            while engine is not None:
                with reading(engine) as connection:
                    found = alerts_page(connection, wanted, last, _ALERTS_PER_PART, descending=False)
                yield from (encode(ALERT, alert.encode()) for alert in found.values())
                if len(found) < _ALERTS_PER_PART:
                    return
                last = max(found)

    @contextmanager
    def _prices(self) -> Iterator[Reader | None]:
        """Yield a reader of the history, or None if there is none yet."""
        if not history_exists(self._settings):
            yield None
            return
        with self._history.reading() as reader:
            yield reader

    @contextmanager
    def _alerts(self) -> Iterator[Reader | None]:
        """Yield a reader of the alerts database, or None if there is none yet."""
        url = self._settings.alerts_url
        if url.sqlite_file and not database_exists(url.sqlite_file):
            yield None
            return
        with open_reader(url) as reader:
            yield reader if reader.has_table("event_log") else None


def encode(kind: str, body: bytes, position: Position | None = None) -> bytes:
    """Return an event as it is sent; without a position it has no id."""
    return format_sse_event(data_str=body.decode(), event=kind, id=None if position is None else str(position))


def joined(found: Sequence[Sent]) -> bytes:
    return b"".join(each.content for each in found)
