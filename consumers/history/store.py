"""Storage of prices: one transaction per batch, and one row per symbol, time, provider and interval."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import ClauseElement, Connection, Engine, Table, bindparam, or_, select

from consumers.history.live_batches import LiveBatchLog, PriceKey
from consumers.history.tables import bar, quote, series
from shared.database.driver_statement import DriverStatement
from shared.database.engine import writing
from shared.database.schema import insert_into
from shared.events import CLOCK_TOLERANCE, StockData
from shared.events.stock_data import StockDataFields
from shared.prices import drop_impossible
from shared.times import is_intraday, parse_duration, to_micros, utc_now

# Symbol, provider, and the length of the bars, which is empty for quotes.
SeriesKey = tuple[str, str, str]
# The values of the columns of a table in order, of which `lag` is the last, and the horizon of `_upsert`.
Row = tuple[Any, ...]

_ROW_KEY = itemgetter(0, 1)
_MICROSECOND = timedelta(microseconds=1)


class Series(NamedTuple):
    """A stored series, and the currency of the rows that have none of their own."""

    id: int
    currency: str | None


class PriceStore:
    """Stores events in the history database. Several stores and processes can write to the same database."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime] = utc_now) -> None:
        self._engine = engine
        self._clock = clock
        self._series: dict[SeriesKey, Series] = {}
        self._quotes = _Upsert(engine, quote)
        self._bars = _Upsert(engine, bar)
        self._live_batches = LiveBatchLog(engine.dialect)

    def save(self, events: Sequence[StockData], live: int = 0) -> None:
        """Store the events, and return after the commit is durable. The first `live` of them are logged as live prices.

        An event that is stored already changes nothing. An event for the same symbol, `as_of`, provider and interval
        that was observed later replaces the stored price. A stored price that was observed more than CLOCK_TOLERANCE
        ahead of the clock is replaced too: an earlier version stored such prices, which nothing could ever correct.
        Raises StorageUnavailable if a retry can help, otherwise StorageError.
        """
        keys = [_series_key(event) for event in events]
        now = self._clock()
        horizon = to_micros(now + CLOCK_TOLERANCE)
        quotes: list[Row] = []
        bars: list[Row] = []
        logged: list[PriceKey] = []

        def read_back(connection: Connection) -> bool:
            return self._quotes.are_stored(connection, quotes) and self._bars.are_stored(connection, bars)

        with writing(self._engine, read_back) as connection:
            found = self._find_series(connection, keys, events)
            known = {**self._series, **found} if found else self._series
            for key, event in zip(keys, events, strict=True):
                if event.data.interval is None:
                    row = _quote_row(event, known[key], horizon)
                    quotes.append(row)
                else:
                    row = _bar_row(event, known[key], horizon)
                    bars.append(row)
                if len(logged) < live:
                    logged.append((row[0], row[1]))
            self._quotes.run(connection, quotes)
            self._bars.run(connection, bars)
            self._live_batches.append(connection, logged, to_micros(now))
        # After the commit, because a failed transaction takes back the ids of new series.
        self._series.update(found)

    def _find_series(
        self, connection: Connection, keys: Sequence[SeriesKey], events: Sequence[StockData]
    ) -> dict[SeriesKey, Series]:
        """Return the series that are not in memory. A new series is inserted, with the currency of its first event."""
        # The difference of a set and a dict's keys would look at every key of the dict.
        unknown = {key for key in keys if key not in self._series}
        if not unknown:
            return {}
        found = _read_series(connection, unknown)
        if missing := unknown - found.keys():
            currencies = {key: event.currency for key, event in zip(reversed(keys), reversed(events), strict=True)}
            new = [_new_series(key, currencies[key]) for key in sorted(missing)]
            connection.execute(insert_into(series, connection.dialect.name).on_conflict_do_nothing(), new)
            found = _read_series(connection, unknown)
        return found


class _Upsert:
    """The statement that stores rows of one table."""

    def __init__(self, engine: Engine, table: Table) -> None:
        names = (*table.columns.keys(), "horizon")
        self._statement = DriverStatement(_upsert(table, engine.dialect.name), engine.dialect, names)
        keys = (table.c.series_id == bindparam("series"), table.c.as_of == bindparam("time"))
        self._stored_lag = select(table.c.lag).where(*keys)

    def run(self, connection: Connection, rows: list[Row]) -> None:
        if not rows:
            return
        # In key order: neighbouring rows share pages, and two writers on PostgreSQL cannot deadlock.
        rows.sort(key=_ROW_KEY)
        self._statement.run(connection, rows)

    def are_stored(self, connection: Connection, rows: Sequence[Row]) -> bool:
        """Return True if each row is in the table, or in its place a row that was observed later."""
        for series_id, as_of, *_, lag, _horizon in rows:
            stored = connection.scalar(self._stored_lag, {"series": series_id, "time": as_of})
            if stored is None or stored < lag:
                return False
        return True


def _upsert(table: Table, dialect: str) -> ClauseElement:
    """Return the statement; a row that was observed after the parameter `horizon`, in microseconds, never stays."""
    insert = insert_into(table, dialect)
    new = insert.excluded
    keys = [column.name for column in table.primary_key]
    statement: ClauseElement = insert.on_conflict_do_update(
        index_elements=keys,
        set_={column.name: new[column.name] for column in table.columns if column.name not in keys},
        where=or_(new.lag > table.c.lag, table.c.as_of + table.c.lag > bindparam("horizon")),
    )
    return statement


def _series_key(event: StockData) -> SeriesKey:
    return event.data.symbol, event.data.provider, event.interval or ""


def _read_series(connection: Connection, wanted: Collection[SeriesKey]) -> dict[SeriesKey, Series]:
    symbols = {symbol for symbol, _, _ in wanted}
    rows = connection.execute(select(series).where(series.c.symbol.in_(symbols)))
    return {(row.symbol, row.provider, row.interval): Series(row.id, row.currency) for row in rows}


def _new_series(key: SeriesKey, currency: str | None) -> dict[str, Any]:
    symbol, provider, interval = key
    offset = parse_duration(interval) // _MICROSECOND if is_intraday(interval) else 0
    return {
        "symbol": symbol,
        "provider": provider,
        "interval": interval,
        "bar_offset": offset,
        "currency": currency,
    }


def _quote_row(event: StockData, stored: Series, horizon: int) -> Row:
    data = event.data
    as_of = to_micros(event.as_of)
    lag = to_micros(event.observed_at) - as_of
    return stored.id, as_of, float(data.price), _row_currency(data, stored), data.volume, lag, horizon


def _bar_row(event: StockData, stored: Series, horizon: int) -> Row:
    data = event.data
    as_of = to_micros(event.as_of)
    lag = to_micros(event.observed_at) - as_of
    close = float(data.price)
    opened, high, low = (None if text is None else float(text) for text in (data.open, data.high, data.low))
    # The publisher may be another program than ours.
    possible = drop_impossible(close, opened, high, low)
    return stored.id, as_of, *possible, close, _row_currency(data, stored), data.volume, lag, horizon


def _row_currency(data: StockDataFields, stored: Series) -> str | None:
    return None if data.currency == stored.currency else data.currency or ""
