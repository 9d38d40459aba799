"""Writing prices: a batch a transaction, each price once, the latest observation of it kept."""

from collections.abc import Collection, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import ClauseElement, Connection, Engine, select

from consumers.history.tables import price, series
from shared.database import writing
from shared.events import StockData
from shared.schema import insert_into
from shared.times import to_micros

SeriesKey = tuple[str, str]
Row = tuple[int, int, float, str | None, int | None, int]

_KEY = itemgetter(0, 1)


class PriceStore:
    """Stores events in the history database; one process may have several, many processes may share the database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._series: dict[SeriesKey, int] = {}
        # Handed to the driver as text: what SQLAlchemy does for each row takes longer than SQLite does.
        upsert = _upsert(engine.dialect.name).compile(dialect=engine.dialect)
        self._upsert = str(upsert)
        self._names = () if engine.dialect.positional else tuple(price.columns.keys())

    def save(self, events: Sequence[StockData]) -> None:
        """Commit the events, durably, before returning.

        An event that is stored already changes nothing; one observed later than what is stored for the same symbol,
        `as_of` and provider replaces it. Raises StorageUnavailable for what passes, StorageError for what does not.
        """
        with writing(self._engine) as connection:
            found = self._find_series(connection, events)
            ids = {**self._series, **found} if found else self._series
            rows = [_row(event, ids[event.symbol, event.provider]) for event in events]
            # In the order of the key: neighbours share pages, and two writers on PostgreSQL cannot deadlock.
            rows.sort(key=_KEY)
            connection.exec_driver_sql(self._upsert, self._parameters(rows))
        # Only now: what a failed transaction made up is not there.
        self._series.update(found)

    def _parameters(self, rows: list[Row]) -> Any:
        """The rows as the driver wants them: by position, or by name."""
        return [dict(zip(self._names, row, strict=True)) for row in rows] if self._names else rows

    def _find_series(self, connection: Connection, events: Sequence[StockData]) -> dict[SeriesKey, int]:
        """The ids of the series that this store has not met before, made where they are new."""
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
    """What stands in the columns of `price`, in their order."""
    as_of = to_micros(event.as_of)
    return series_id, as_of, float(event.price), event.currency, event.volume, to_micros(event.observed_at) - as_of
