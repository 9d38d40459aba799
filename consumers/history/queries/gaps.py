"""Queries for gaps in the stored prices; they read only the times of the prices."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Select, func, select

from consumers.history.gap_detection import DAY, Gap, find_gaps
from consumers.history.queries.prices import history_reader
from consumers.history.tables import price, series
from shared.database.engine import opened_for_reading, reading
from shared.market_calendar import Session
from shared.settings import Settings
from shared.times import EPOCH, from_micros, to_micros

_ROWS_PER_FETCH = 10_000
_DAY_IN_MICROSECONDS = DAY // timedelta(microseconds=1)

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
        firsts = _read_firsts(connection, symbols)
        begin = since or min((first for first in firsts.values() if first), default=now)
        # One more day at both ends, because a session can begin before its date in UTC. No calendar begins before 1970.
        hours = sessions(max(begin, EPOCH) - DAY, now + DAY) if sessions else None
        for symbol in firsts:
            for gap in find_gaps(_read_times(connection, symbol, since), resolution, now, since, hours):
                yield symbol, gap


def daily_only_symbols(engine: Engine, symbols: Sequence[str] = ()) -> list[str]:
    """Return the symbols (default: all stored symbols) that have only daily prices, dated midnight UTC."""
    prices = select(price.c.as_of).where(price.c.series_id == series.c.id)
    others = prices.where(price.c.as_of % _DAY_IN_MICROSECONDS != 0)
    query = _filter_symbols(select(series.c.symbol, prices.exists(), others.exists()), symbols)
    with reading(engine) as connection:
        rows = connection.execute(query).all()
    stored = {symbol for symbol, is_stored, _ in rows if is_stored}
    return sorted(stored - {symbol for symbol, _, has_others in rows if has_others})


def symbols_without_prices(engine: Engine, symbols: Sequence[str]) -> list[str]:
    """Return those of the given symbols that have no stored price."""
    with reading(engine) as connection:
        return [symbol for symbol, first in _read_firsts(connection, symbols).items() if first is None]


def is_stored(engine: Engine, symbol: str, provider: str, as_of: datetime) -> bool:
    """Return True if a price of this symbol, provider and time is stored."""
    query = (
        select(price.c.as_of)
        .join(series, price.c.series_id == series.c.id)
        .where(series.c.symbol == symbol, series.c.provider == provider, price.c.as_of == to_micros(as_of))
    )
    with reading(engine) as connection:
        return connection.execute(query).first() is not None


def _read_firsts(connection: Connection, symbols: Sequence[str]) -> dict[str, datetime | None]:
    """Return the first `as_of` of each symbol, or None for a given symbol without prices."""
    first = select(func.min(price.c.as_of)).where(price.c.series_id == series.c.id).scalar_subquery()
    query = _filter_symbols(select(series.c.symbol, first), symbols).order_by(series.c.symbol)
    found: dict[str, datetime | None] = dict.fromkeys(symbols)
    for symbol, micros in connection.execute(query):
        moment = None if micros is None else from_micros(micros)
        found[symbol] = min(filter(None, (found.get(symbol), moment)), default=None)
    return found


def _read_times(connection: Connection, symbol: str, since: datetime | None) -> Iterator[datetime]:
    query = select(price.c.as_of).join(series, price.c.series_id == series.c.id).where(series.c.symbol == symbol)
    if since is not None:
        query = query.where(price.c.as_of >= to_micros(since))
    query = query.order_by(price.c.as_of).execution_options(yield_per=_ROWS_PER_FETCH)
    return map(from_micros, connection.scalars(query))


def _filter_symbols(query: Select[Any], symbols: Sequence[str]) -> Select[Any]:
    return query.where(series.c.symbol.in_(symbols)) if symbols else query
