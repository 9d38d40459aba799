"""Writing prices: a batch a transaction, each price once, the latest observation of it kept."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, Executable, select

from consumers.history.models import price, series
from shared.database import writing
from shared.events import StockData
from shared.schema import insert_into
from shared.times import to_micros

SeriesKey = tuple[str, str]


class PriceStore:
    """Stores events in the history database; one process may have several, many processes may share the database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._series: dict[SeriesKey, int] = {}
        self._upsert = _upsert(engine.dialect.name)

    def save(self, events: Sequence[StockData]) -> None:
        """Commit the events, durably, before returning.

        An event that is stored already changes nothing; one observed later than what is stored for the same symbol,
        `as_of` and provider replaces it. Raises StorageUnavailable for what passes, StorageError for what does not.
        """
        with writing(self._engine) as connection:
            found = self._find_series(connection, events)
            rows = [_row(event, found[event.symbol, event.provider]) for event in events]
            # In the order of the key: neighbours share pages, and two writers on PostgreSQL cannot deadlock.
            rows.sort(key=lambda row: (row["series_id"], row["as_of"]))
            connection.execute(self._upsert, rows)
        # Only now: what a failed transaction made up is not there.
        self._series.update(found)

    def _find_series(self, connection: Connection, events: Sequence[StockData]) -> Mapping[SeriesKey, int]:
        """The id of each series in the batch, made where it is new."""
        wanted = {(event.symbol, event.provider) for event in events}
        found = {key: self._series[key] for key in wanted if key in self._series}
        for symbol, provider in sorted(wanted - found.keys()):
            found[symbol, provider] = self._make_series(connection, symbol, provider)
        return found

    def _make_series(self, connection: Connection, symbol: str, provider: str) -> int:
        values = {"symbol": symbol, "provider": provider}
        insert = insert_into(series, connection.dialect.name)
        connection.execute(insert.values(values).on_conflict_do_nothing())
        row = connection.execute(select(series.c.id).where(series.c.symbol == symbol, series.c.provider == provider))
        return int(row.scalar_one())


def _upsert(dialect: str) -> Executable:
    insert = insert_into(price, dialect)
    new = insert.excluded
    statement: Executable = insert.on_conflict_do_update(
        index_elements=[price.c.series_id, price.c.as_of],
        set_={"price": new.price, "currency": new.currency, "volume": new.volume, "lag": new.lag},
        where=new.lag > price.c.lag,
    )
    return statement


def _row(event: StockData, series_id: int) -> dict[str, Any]:
    as_of = to_micros(event.as_of)
    return {
        "series_id": series_id,
        "as_of": as_of,
        "price": float(event.price),
        "currency": event.currency,
        "volume": event.volume,
        "lag": to_micros(event.observed_at) - as_of,
    }
