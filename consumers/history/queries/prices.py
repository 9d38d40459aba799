"""Queries of stored prices, and of the symbols that have any."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Row, Select, func, select

from consumers.history.tables import check_schema, missing_history, price, series
from shared.database import opened, reading
from shared.prices import format_price, from_float
from shared.settings import Settings
from shared.times import format_sortable, from_micros, to_micros

_ROWS_PER_FETCH = 10_000


@contextmanager
def history_database(settings: Settings) -> Iterator[Engine]:
    """Yield the history database for queries. Raises StorageError if there is no history yet."""
    url = settings.history_url
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).exists():
        # Connecting would create the file.
        raise missing_history(url)
    with opened(url) as engine:
        check_schema(engine)
        yield engine


def read_prices(
    engine: Engine, symbol: str, since: datetime | None = None, until: datetime | None = None, limit: int | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the newest `limit` rows of `price_history` for one symbol with since <= as_of < until, oldest first.

    Prices are exact decimals as text. Times are ISO 8601 text in UTC.
    """
    query = _history().where(series.c.symbol == symbol)
    if since is not None:
        query = query.where(price.c.as_of >= to_micros(since))
    if until is not None:
        query = query.where(price.c.as_of < to_micros(until))
    if limit is not None:
        newest = query.order_by(price.c.as_of.desc(), series.c.provider).limit(limit).subquery()
        query = select(newest).order_by(newest.c.as_of, newest.c.provider)
    else:
        query = query.order_by(price.c.as_of, series.c.provider)
    with reading(engine) as connection:
        for row in connection.execution_options(yield_per=_ROWS_PER_FETCH).execute(query):
            yield _readable(row)


def latest_prices(engine: Engine, symbols: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the newest row of `price_history` for each of the symbols (default: all), sorted by symbol."""
    other = price.alias()
    newest = select(func.max(other.c.as_of)).where(other.c.series_id == series.c.id).scalar_subquery()
    query = _history().where(price.c.as_of == newest).order_by(series.c.symbol, price.c.as_of, series.c.provider)
    if symbols:
        query = query.where(series.c.symbol.in_(symbols))
    with reading(engine) as connection:
        # The query returns one row per symbol and provider; the last row of a symbol is its newest.
        return list({row.symbol: _readable(row) for row in connection.execute(query)}.values())


def stored_symbols(engine: Engine) -> list[dict[str, Any]]:
    """Return first and last `as_of` and the number of rows for each symbol and provider."""
    query = (
        select(series.c.symbol, series.c.provider, func.min(price.c.as_of), func.max(price.c.as_of), func.count())
        .join(price, price.c.series_id == series.c.id)
        .group_by(series.c.symbol, series.c.provider)
        .order_by(series.c.symbol, series.c.provider)
    )
    with reading(engine) as connection:
        return [
            {
                "symbol": symbol,
                "provider": provider,
                "first": format_sortable(from_micros(first)),
                "last": format_sortable(from_micros(last)),
                "rows": rows,
            }
            for symbol, provider, first, last, rows in connection.execute(query)
        ]


def _history() -> Select[Any]:
    return select(
        series.c.symbol, price.c.as_of, price.c.price, price.c.currency, price.c.volume, series.c.provider, price.c.lag
    ).join(price, price.c.series_id == series.c.id)


def _readable(row: Row[Any]) -> dict[str, Any]:
    return {
        "symbol": row.symbol,
        "as_of": format_sortable(from_micros(row.as_of)),
        "price": format_price(from_float(row.price)),
        "currency": row.currency,
        "volume": row.volume,
        "provider": row.provider,
        "observed_at": format_sortable(from_micros(row.as_of + row.lag)),
    }
