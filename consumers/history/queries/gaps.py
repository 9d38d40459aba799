"""Queries for gaps in the stored prices; they read only the times of the prices."""

import heapq
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from operator import itemgetter

from sqlalchemy import Connection, Engine, Table, exists, func, or_, select

from consumers.history.gap_detection import DAY, Gap, find_gaps, is_by_day
from consumers.history.queries.prices import history_reader
from consumers.history.tables import bar, quote, series
from shared.database.engine import opened_for_reading, reading
from shared.market_calendar import Session
from shared.settings import Settings
from shared.times import EPOCH, from_micros, is_by_date, to_micros

_ROWS_PER_FETCH = 10_000

# A series as the queries for gaps need it: its id, its symbol, and the length of its bars, empty for quotes.
_SeriesRow = tuple[int, str, str]

# Returns the sessions of a market between two times; None if no market is set.
Sessions = Callable[[datetime, datetime], Sequence[Session]] | None


@contextmanager
def history_database(settings: Settings) -> Iterator[Engine]:
    """Yield the history database for queries. Raises StorageError if there is no history yet."""
    with history_reader(settings), opened_for_reading(settings.history_url.engine_url) as engine:
        yield engine


def gaps_by_symbol(
    engine: Engine,
    resolution: timedelta,
    now: datetime,
    symbols: Sequence[str] = (),
    since: datetime | None = None,
    sessions: Sessions = None,
) -> Iterator[tuple[str, Gap]]:
    """Yield symbol and gap for each gap of the symbols (default: all stored symbols), sorted by symbol and time.

    `find_gaps` describes the other parameters.
    """
    with reading(engine) as connection:
        stored = _find_series(connection, symbols)
        firsts = _read_firsts(connection, stored, symbols)
        begin = since or min((first for first in firsts.values() if first), default=now)
        # One more day at both ends, because a session can begin before its date in UTC. No calendar begins before 1970.
        hours = sessions(max(begin, EPOCH) - DAY, now + DAY) if sessions else None
        if not is_by_day(resolution, hours):
            stored = [each for each in stored if not is_by_date(each[2])]
        for symbol in firsts:
            times = _read_times(connection, [each for each in stored if each[1] == symbol], since)
            for gap in find_gaps(times, resolution, now, since, hours):
                yield symbol, gap


def daily_only_symbols(engine: Engine, symbols: Sequence[str] = ()) -> list[str]:
    """Return the symbols (default: all stored symbols) of which only bars of a day or more are stored."""
    with reading(engine) as connection:
        stored = _find_series(connection, symbols)
    return sorted({symbol for _, symbol, _ in stored} - {each[1] for each in stored if not is_by_date(each[2])})


def symbols_without_prices(engine: Engine, symbols: Sequence[str]) -> list[str]:
    """Return those of the given symbols that have no stored price."""
    with reading(engine) as connection:
        stored = {symbol for _, symbol, _ in _find_series(connection, symbols)}
    return [symbol for symbol in dict.fromkeys(symbols) if symbol not in stored]


def is_stored(engine: Engine, symbol: str, provider: str, as_of: datetime, interval: str | None = None) -> bool:
    """Return True if a price of this symbol, provider, time and interval is stored."""
    table = _table(interval or "")
    query = (
        select(table.c.as_of)
        .join(series, table.c.series_id == series.c.id)
        .where(series.c.symbol == symbol, series.c.provider == provider, series.c.interval == (interval or ""))
        .where(table.c.as_of == to_micros(as_of))
    )
    with reading(engine) as connection:
        return connection.execute(query).first() is not None


def _find_series(connection: Connection, symbols: Sequence[str]) -> list[_SeriesRow]:
    """Return the series of the symbols (default: all) that have any price, sorted by symbol."""
    is_used = or_(*(exists().where(table.c.series_id == series.c.id) for table in (quote, bar)))
    query = select(series.c.id, series.c.symbol, series.c.interval).where(is_used)
    if symbols:
        query = query.where(series.c.symbol.in_(symbols))
    # Not by PostgreSQL, which may sort text by the rules of a language.
    return sorted(((row.id, row.symbol, row.interval) for row in connection.execute(query)), key=itemgetter(1))


def _read_firsts(
    connection: Connection, stored: Sequence[_SeriesRow], symbols: Sequence[str]
) -> dict[str, datetime | None]:
    """Return the first `as_of` of each stored symbol, and None for each given symbol without prices."""
    found: dict[str, datetime | None] = dict.fromkeys(symbols)
    for series_id, symbol, interval in stored:
        table = _table(interval)
        micros = connection.scalar(select(func.min(table.c.as_of)).where(table.c.series_id == series_id))
        moment = None if micros is None else from_micros(micros)
        found[symbol] = min(filter(None, (found.get(symbol), moment)), default=None)
    return found


def _read_times(connection: Connection, stored: Sequence[_SeriesRow], since: datetime | None) -> Iterator[datetime]:
    """Yield the times of the prices of all series, oldest first."""
    times = heapq.merge(*(_read_series_times(connection, each, since) for each in stored))
    return map(from_micros, times)


def _read_series_times(connection: Connection, stored: _SeriesRow, since: datetime | None) -> Iterator[int]:
    series_id, _, interval = stored
    table = _table(interval)
    query = select(table.c.as_of).where(table.c.series_id == series_id).order_by(table.c.as_of)
    if since is not None:
        query = query.where(table.c.as_of >= to_micros(since))
    return iter(connection.scalars(query.execution_options(yield_per=_ROWS_PER_FETCH)))


def _table(interval: str) -> Table:
    return bar if interval else quote
