"""Past prices for the windows of a new rule, so that `new high in 52w` does not wait for half a year."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import NamedTuple

from sqlalchemy import Connection, Engine, select

from consumers.alerts.rules.models import EVERY_SYMBOL, Rule
from consumers.alerts.store import count_batch, load_watermarks
from consumers.alerts.tables import watermarks, window_prices
from consumers.alerts.watermarks import Watermark
from shared.database.engine import writing
from shared.database.schema import insert_into
from shared.prices import is_real, prefer_real

_ROWS_PER_PART = 5000


class PastPrice(NamedTuple):
    """A stored price of the history."""

    as_of: datetime
    price: Decimal
    currency: str | None
    provider: str


# A function of a symbol, and of the time from which prices are wanted, that yields them oldest first.
PastPrices = Callable[[str, datetime], Iterable[PastPrice]]


def seed_windows(engine: Engine, rule: Rule, past_prices: PastPrices, now: datetime) -> int:
    """Store the past prices that the window of a rule needs, and return their number. Prices that are kept stay."""
    window = rule.condition.metric.window
    if window is None:
        return 0
    count = 0
    for symbol in _symbols(engine, rule):
        with writing(engine) as connection:
            mark = load_watermarks(connection, [symbol]).get(symbol)
            end = now if mark is None else mark.as_of
            found = _comparable(past_prices(symbol, end - window), mark)
            count += _insert(connection, symbol, [each for each in found if each.as_of <= end])
            count_batch(connection)
    return count


def _symbols(engine: Engine, rule: Rule) -> Iterator[str]:
    if rule.terms.symbol != EVERY_SYMBOL:
        yield rule.terms.symbol
        return
    with writing(engine) as connection:
        symbols = list(connection.scalars(select(watermarks.c.symbol)))
    yield from symbols


def _comparable(found: Iterable[PastPrice], mark: Watermark | None) -> list[PastPrice]:
    """Return the prices that may be compared with the last one; without one the real prices, or else all."""
    prices = list(found)
    if mark is not None and mark.provider is not None:
        world = (mark.currency, is_real(mark.provider))
        return [each for each in prices if (each.currency, is_real(each.provider)) == world]
    return prefer_real(prices, attrgetter("provider"))


def _insert(connection: Connection, symbol: str, prices: list[PastPrice]) -> int:
    statement = insert_into(window_prices, connection.dialect.name).on_conflict_do_nothing()
    rows = [
        {
            "symbol": symbol,
            "as_of": each.as_of,
            "price": each.price,
            "currency": each.currency,
            "is_real": is_real(each.provider),
        }
        for each in prices
    ]
    for start in range(0, len(rows), _ROWS_PER_PART):
        connection.execute(statement, rows[start : start + _ROWS_PER_PART])
    return len({each.as_of for each in prices})
