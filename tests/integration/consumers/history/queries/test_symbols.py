"""The newest price of each symbol, and the stored symbols, on real SQLite and PostgreSQL."""

from datetime import timedelta
from decimal import Decimal

from sqlalchemy import Engine, delete, text

from consumers.history.queries.symbols import latest_prices, stored_symbols
from consumers.history.store import PriceStore
from consumers.history.tables import quote
from shared.database.engine import reading, writing
from shared.database.reader import Reader
from tests.event_factories import AS_OF, changed, price_series, stock_data

LATER = AS_OF + timedelta(minutes=1)


def test_latest_prices_are_the_newest_per_symbol_over_all_providers(store: PriceStore, reader: Reader) -> None:
    store.save(price_series(["1", "2"]))
    store.save(price_series(["5"], start=LATER, provider="replay"))
    store.save(price_series(["9"], symbol="MSFT"))
    assert [(row.symbol, row.price) for row in latest_prices(reader)] == [("AAPL", 5), ("MSFT", 9)]
    assert [row.symbol for row in latest_prices(reader, ["MSFT", "XYZ", "MSFT"])] == ["MSFT"]


def test_the_query_and_the_view_have_the_same_newest_quote_or_bar(
    store: PriceStore, reader: Reader, engine: Engine
) -> None:
    bar = stock_data("BRK.B", "412.35", AS_OF, "finnhub", interval="1d")
    hourly = changed(bar, interval="1h", symbol="MSFT")
    store.save([bar, changed(bar, interval=None, provider="yahoo", price=Decimal(411), currency=None)])
    store.save([hourly, changed(hourly, interval="1d"), changed(hourly, provider="yahoo", price=Decimal(7))])
    store.save([changed(bar, symbol="AAPL", as_of=LATER), changed(bar, symbol="AAPL", interval=None)])
    with reading(engine) as connection:
        rows = connection.execute(text("select * from latest_prices order by symbol")).all()
    found = latest_prices(reader)
    assert [(row.symbol, row.price, row.interval, row.provider) for row in found] == [
        ("AAPL", Decimal("412.35"), "1d", "finnhub"),
        ("BRK.B", 411, None, "yahoo"),
        ("MSFT", Decimal("412.35"), "1d", "finnhub"),
    ]
    assert [tuple({**row.fields(), "price": float(row.price)}.values()) for row in found] == [
        tuple(row) for row in rows
    ]


def test_stored_symbols_have_first_and_last_time_and_are_counted_on_request(store: PriceStore, reader: Reader) -> None:
    store.save(price_series(["1", "2", "3"]))
    store.save([stock_data(interval="1d")])
    quotes, bars = stored_symbols(reader, count=True)
    assert quotes.fields() == {
        "symbol": "AAPL",
        "provider": "simulated",
        "interval": None,
        "first": "2024-11-20T09:59:58.000000Z",
        "last": "2024-11-20T10:00:00.000000Z",
        "rows": 3,
    }
    assert (bars.interval, bars.first, bars.last, bars.rows) == ("1d", AS_OF, AS_OF, 1)
    assert [row.rows for row in stored_symbols(reader)] == [None, None]


def test_a_series_whose_prices_are_gone_is_not_listed(store: PriceStore, reader: Reader, engine: Engine) -> None:
    store.save(price_series(["1", "2", "3"]))
    with writing(engine) as connection:
        connection.execute(delete(quote))
    assert stored_symbols(reader, count=True) == []
    assert latest_prices(reader) == []
