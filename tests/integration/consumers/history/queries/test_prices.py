"""Queries of stored prices on real SQLite and PostgreSQL: order, limits, pages and filters."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from consumers.history.queries import series
from consumers.history.queries.prices import Position, read_prices
from consumers.history.queries.rows import Order, PriceRow
from consumers.history.store import PriceStore
from shared.database.reader import Reader
from tests.event_factories import AS_OF, changed, price_series, stock_data

EVENTS = price_series([str(number) for number in range(1, 8)])
# Both providers have a price of each second.
EXPECTED = [(number, provider) for number in range(1, 8) for provider in ("finnhub", "yahoo")]


@pytest.fixture
def two_providers(store: PriceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "_ROWS_PER_PART", 2)
    store.save([changed(event, provider=provider) for event in EVENTS for provider in ("yahoo", "finnhub")])


def read(reader: Reader, **options: Any) -> list[tuple[Decimal, str]]:
    return [(row.price, row.provider) for row in read_prices(reader, "AAPL", **options)]


@pytest.mark.usefixtures("two_providers")
def test_prices_of_several_providers_are_read_in_parts_and_in_order(reader: Reader) -> None:
    assert read(reader) == EXPECTED
    between = {"since": EVENTS[2].as_of, "until": EVENTS[5].as_of}
    assert read(reader, **between) == EXPECTED[4:10]
    assert read(reader, **between, order=Order.DESCENDING) == EXPECTED[4:10][::-1]
    assert read(reader, providers=["yahoo"]) == EXPECTED[1::2]


@pytest.mark.usefixtures("two_providers")
@pytest.mark.parametrize("limit", [1, 4, 5, 14, 15, 2**63 - 1])
def test_a_limit_keeps_the_newest_or_the_oldest(reader: Reader, limit: int) -> None:
    assert read(reader, limit=limit) == EXPECTED[-limit:]
    assert read(reader, limit=limit, order=Order.ASCENDING) == EXPECTED[:limit]
    assert read(reader, limit=limit, order=Order.DESCENDING) == EXPECTED[::-1][:limit]
    between = {"since": EVENTS[2].as_of, "until": EVENTS[5].as_of}
    assert read(reader, **between, limit=limit) == EXPECTED[4:10][-limit:]


@pytest.mark.usefixtures("two_providers")
@pytest.mark.parametrize("size", [1, 3, 4, 14])
@pytest.mark.parametrize("order", [Order.ASCENDING, Order.DESCENDING])
def test_pages_that_begin_after_the_last_row_give_each_row_once(reader: Reader, order: Order, size: int) -> None:
    found: list[PriceRow] = []
    while page := list(
        read_prices(
            reader, "AAPL", limit=size, order=order, after=Position.of(found[-1]) if found else None, since=AS_OF
        )
    ):
        assert len(page) <= size
        found += page
    expected = EXPECTED if order is Order.ASCENDING else EXPECTED[::-1]
    assert [(row.price, row.provider) for row in found] == expected


@pytest.mark.usefixtures("two_providers")
def test_a_limit_keeps_the_newest_after_a_position(reader: Reader) -> None:
    after = Position.of(list(read_prices(reader, "AAPL"))[9])
    assert read(reader, after=after) == EXPECTED[10:]
    assert read(reader, after=after, limit=2) == EXPECTED[12:]
    assert read(reader, after=after, limit=9) == EXPECTED[10:]


def test_bars_of_one_length_and_quotes_can_be_read_alone(store: PriceStore, reader: Reader) -> None:
    quote = stock_data(price="1")
    store.save(
        [quote, changed(quote, interval="1d", price=Decimal(2)), changed(quote, interval="1h", price=Decimal(3))]
    )
    found = [[row.price for row in read_prices(reader, "AAPL", interval=each)] for each in (None, "", "1h", "1d")]
    assert found == [[1, 2, 3], [1], [3], [2]]


def test_a_row_is_typed_and_prices_have_no_exponent(store: PriceStore, reader: Reader) -> None:
    event = stock_data("BRK.B", "200", volume=5)
    store.save([event])
    [row] = read_prices(reader, "BRK.B")
    observed = AS_OF + timedelta(seconds=5, microseconds=120_000)
    assert row == PriceRow("BRK.B", AS_OF, Decimal(200), "USD", 5, "simulated", observed, None)
    assert str(row.price) == "200"
