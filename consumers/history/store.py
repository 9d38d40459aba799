"""Storage of prices: one transaction per batch, and one row per symbol, time and provider."""

from collections.abc import Collection, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import ClauseElement, Connection, Engine, select

from consumers.history.tables import price, series
from shared.database.engine import writing
from shared.database.schema import insert_into
from shared.events import StockData
from shared.times import to_micros

SeriesKey = tuple[str, str]
Row = tuple[int, int, float, str | None, int | None, int]

_KEY = itemgetter(0, 1)


class PriceStore:
    """Stores events in the history database. Several stores and processes can write to the same database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._series: dict[SeriesKey, int] = {}
        # Compiled once and given to the driver as text, because SQLAlchemy takes longer per row than SQLite.
        upsert = _upsert(engine.dialect.name).compile(dialect=engine.dialect)
        self._upsert = str(upsert)
        self._names = () if engine.dialect.positional else tuple(price.columns.keys())

    def save(self, events: Sequence[StockData]) -> None:
        """Store the events, and return after the commit is durable.

        An event that is stored already changes nothing. An event for the same symbol, `as_of` and provider that was
        observed later replaces the stored price. Raises StorageUnavailable if a retry can help, otherwise StorageError.
        """
        with writing(self._engine) as connection:
            found = self._find_series(connection, events)
            ids = {**self._series, **found} if found else self._series
            rows = [_row(event, ids[event.symbol, event.provider]) for event in events]
            # In key order: neighbouring rows share pages, and two writers on PostgreSQL cannot deadlock.
            rows.sort(key=_KEY)
            connection.exec_driver_sql(self._upsert, self._parameters(rows))
        # After the commit, because a failed transaction takes back the ids of new series.
        self._series.update(found)

    def _parameters(self, rows: list[Row]) -> Any:
        """Return the rows as the driver takes parameters: by position or by name."""
        return [dict(zip(self._names, row, strict=True)) for row in rows] if self._names else rows

    def _find_series(self, connection: Connection, events: Sequence[StockData]) -> dict[SeriesKey, int]:
        """Return the ids of the series that are not in memory; new series are inserted."""
        unknown = {(event.symbol, event.provider) for event in events} - self._series.keys()
        if not unknown:
            return {}
        found = _read_series(connection, unknown)
        new = [{"symbol": symbol, "provider": provider} for symbol, provider in sorted(unknown - found.keys())]
        if new:
            connection.execute(insert_into(series, connection.dialect.name).on_conflict_do_nothing(), new)
            found = _read_series(connection, unknown)
        return found


def _read_series(connection: Connection, wanted: Collection[SeriesKey]) -> dict[SeriesKey, int]:
    symbols = {symbol for symbol, _ in wanted}
    rows = connection.execute(select(series).where(series.c.symbol.in_(symbols)))
    return {(row.symbol, row.provider): row.id for row in rows}


def _upsert(dialect: str) -> ClauseElement:
    insert = insert_into(price, dialect)
    new = insert.excluded
    statement: ClauseElement = insert.on_conflict_do_update(
        index_elements=[price.c.series_id, price.c.as_of],
        set_={"price": new.price, "currency": new.currency, "volume": new.volume, "lag": new.lag},
        where=new.lag > price.c.lag,
    )
    return statement


def _row(event: StockData, series_id: int) -> Row:
    """Return the values of the columns of `price`, in order."""
    data = event.data
    as_of = to_micros(event.as_of)
    return series_id, as_of, float(data.price), data.currency, data.volume, to_micros(event.observed_at) - as_of
