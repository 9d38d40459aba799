"""The log of committed events, and reading it. The counters are locked while it is written, so numbers are in order."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, insert, select

from consumers.alerts.tables import event_log
from shared.database.reader import Reader
from shared.events import PriceAlert, RulesHeld
from shared.times import to_micros

KEPT = timedelta(days=7)

_ROWS_PER_PRUNING = 1000
_EVENTS = "SELECT number, body FROM event_log WHERE number > :after AND body <> '' ORDER BY number LIMIT :most"


class LoggedEvent(NamedTuple):
    """The number of an event, and its body in JSON."""

    number: int
    body: str


def log_events(connection: Connection, events: Sequence[PriceAlert | RulesHeld], now: datetime) -> None:
    """Log new events in their order, and forget some that are older than KEPT. The caller has locked the counters."""
    if not events:
        return
    newest = connection.scalar(select(func.max(event_log.c.number))) or 0
    first = max(to_micros(now), newest + 1)
    rows = [{"number": first + place, "body": event.encode().decode()} for place, event in enumerate(events)]
    connection.execute(insert(event_log), rows)
    _prune(connection, to_micros(now - KEPT))


def newest_number(reader: Reader) -> int:
    """Return the number of the newest event."""
    [(number,)] = reader.select("SELECT max(number) FROM event_log")
    return int(number or 0)


def is_logged_since(reader: Reader, number: int) -> bool:
    """Return True if the log has every event with a larger number."""
    found = reader.select("SELECT 1 FROM event_log WHERE number <= :number LIMIT 1", {"number": number})
    return bool(list(found))


def oldest_number(reader: Reader) -> int:
    """Return the number from which on the log is complete."""
    [(number,)] = reader.select("SELECT min(number) FROM event_log")
    return int(number or 0)


def read_logged_events(reader: Reader, after: int, most: int) -> list[LoggedEvent]:
    """Return the first events with numbers over `after`, at most `most` of them."""
    return [LoggedEvent(*row) for row in reader.select(_EVENTS, {"after": after, "most": most})]


def _prune(connection: Connection, before: int) -> None:
    """Delete rows with numbers below `before`, all but the newest of these."""
    number = event_log.c.number
    newest = select(func.max(number)).where(number < before).scalar_subquery()
    old = select(number).where(number < newest).order_by(number).limit(_ROWS_PER_PRUNING)
    connection.execute(delete(event_log).where(number.in_(old)))
