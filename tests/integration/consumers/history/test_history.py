"""The history store and its queries on real SQLite and PostgreSQL."""

import sqlite3
import threading
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, text
from sqlalchemy.engine import URL, make_url

from consumers.history.handler import open_handler
from consumers.history.queries.prices import history_reader, read_prices
from consumers.history.queries.symbols import stored_symbols
from consumers.history.store import PriceStore
from consumers.history.tables import SCHEMA, quote
from shared.database.engine import open_engine, opened, reading, writing
from shared.database.reader import Reader, open_reader
from shared.database.schema import create_schema
from shared.database.url import DatabaseUrl
from shared.errors import StorageError, StorageReopened, StorageUnavailable
from shared.events import StockData
from shared.prices import format_price
from shared.settings import Settings
from tests.event_factories import AS_OF, NOW, changed, price_series, stock_data


def history_at(url: URL) -> Settings:
    return Settings(history_url=DatabaseUrl(str(url)))


@pytest.fixture
def sqlite_url(tmp_path: Path) -> URL:
    return make_url(f"sqlite:///{tmp_path / 'history.db'}")


def test_the_view_shows_prices_as_they_were_published(engine: Engine, store: PriceStore) -> None:
    store.save([stock_data("BRK.B", "412.35", volume=1234567)])
    with reading(engine) as connection:
        rows = connection.execute(text("select * from price_history")).mappings().all()
    assert [dict(row) for row in rows] == [
        {
            "symbol": "BRK.B",
            "as_of": "2024-11-20T09:59:58.000000Z",
            "price": 412.35,
            "currency": "USD",
            "volume": 1234567,
            "provider": "simulated",
            "observed_at": "2024-11-20T10:00:03.120000Z",
            "interval": None,
        }
    ]


BAR = stock_data(
    "BRK.B",
    "412.35",
    AS_OF.replace(hour=0, minute=0, second=0),
    interval="1d",
    open=Decimal("410.1"),
    high=Decimal(413),
    low=Decimal("409.99"),
    volume=1234567,
)


def test_a_bar_is_stored_beside_the_quote_of_the_same_instant(
    engine: Engine, store: PriceStore, reader: Reader
) -> None:
    hourly = changed(BAR, interval="60m", price=Decimal("411.5"))
    store.save([BAR, hourly, changed(BAR, interval=None, price=Decimal(411))])
    prices = [(str(row.price), row.interval) for row in read_prices(reader, "BRK.B")]
    assert prices == [("411", None), ("412.35", "1d"), ("411.5", "1h")]
    with reading(engine) as connection:
        rows = connection.execute(text("select * from bars order by start desc")).mappings().all()
        history = connection.execute(text("select price, interval from price_history order by price")).all()
    common = {"symbol": "BRK.B", "open": 410.1, "high": 413, "low": 409.99, "volume": 1234567, "currency": "USD"}
    assert [dict(row) for row in rows] == [
        {**common, "provider": "simulated", "interval": "1d", "start": "2024-11-20T00:00:00.000000Z", "close": 412.35},
        {**common, "provider": "simulated", "interval": "1h", "start": "2024-11-19T23:00:00.000000Z", "close": 411.5},
    ]
    assert [tuple(row) for row in history] == [(411, None), (411.5, "1h"), (412.35, "1d")]


def test_a_later_observation_of_a_bar_replaces_all_of_it(store: PriceStore, engine: Engine) -> None:
    corrected = changed(BAR, price=Decimal(412), low=None, observed_at=BAR.observed_at + timedelta(days=1))
    store.save([corrected, BAR])
    store.save([BAR])
    with reading(engine) as connection:
        rows = connection.execute(text("select open, high, low, close from bars")).all()
    assert [tuple(row) for row in rows] == [(410.1, 413, None, 412)]


@pytest.mark.parametrize(
    ("published", "stored"),
    [
        ("2 3 1", (2, 3, 1)),
        # A high below the close, a low above it, a high below the low, and an open beyond both.
        ("2 2.4 1", (2, None, 1)),
        ("2.6 3 2.6", (2.6, 3, None)),
        ("2 1 3", (2, None, None)),
        ("9 3 1", (None, 3, 1)),
    ],
)
def test_an_open_high_or_low_that_no_bar_can_have_is_left_out(
    store: PriceStore, engine: Engine, published: str, stored: tuple[float | None, ...]
) -> None:
    prices = dict(zip(("open", "high", "low"), map(Decimal, published.split()), strict=True))
    store.save([stock_data("AAPL", "2.5", AS_OF, "other", interval="1h", **prices)])
    with reading(engine) as connection:
        row = connection.execute(text("select open, high, low, close from bars")).one()
    assert tuple(row) == (*stored, 2.5)


def test_each_price_keeps_its_currency(engine: Engine, store: PriceStore, reader: Reader) -> None:
    currencies = ["USD", None, "EUR", "USD"]
    events = price_series(["1", "2", "3", "4"])
    store.save([changed(event, currency=each) for event, each in zip(events, currencies, strict=True)])
    store.save([changed(price_series(["5"], symbol="MSFT")[0], currency=None)])
    store.save([changed(price_series(["6"], symbol="MSFT", start=AS_OF + timedelta(days=1))[0], currency="GBP")])
    assert [row.currency for row in read_prices(reader, "AAPL")] == currencies
    assert [row.currency for row in read_prices(reader, "MSFT")] == [None, "GBP"]
    with reading(engine) as connection:
        rows = connection.execute(text("select currency from price_history order by symbol, as_of")).scalars().all()
    assert rows == [*currencies, None, "GBP"]


def test_times_before_1970_and_fractions_are_the_same_in_view_and_query(
    engine: Engine, store: PriceStore, reader: Reader
) -> None:
    early = stock_data(as_of=AS_OF.replace(year=1962, microsecond=123_456))
    store.save([early])
    with reading(engine) as connection:
        stored = connection.execute(text("select as_of, observed_at from price_history")).one()
    [row] = read_prices(reader, "AAPL")
    fields = row.fields()
    assert tuple(stored) == (fields["as_of"], fields["observed_at"])
    assert fields["as_of"] == "1962-11-20T09:59:58.123456Z"


@pytest.mark.parametrize(
    "price", ["200", "0.1", "412.35", "123456789012345", "0.000000123456789012345", "1.00000000000001"]
)
def test_a_price_keeps_every_digit(store: PriceStore, price: str, reader: Reader) -> None:
    store.save([stock_data(price=price)])
    assert [format_price(row.price) for row in read_prices(reader, "AAPL")] == [price]


def test_a_redelivery_changes_nothing(store: PriceStore, reader: Reader) -> None:
    event = stock_data(price="10")
    store.save([event, event])
    store.save([changed(event, price=Decimal(11))])
    assert [str(row.price) for row in read_prices(reader, "AAPL")] == ["10"]


def test_a_later_observation_replaces_an_earlier_one_in_any_order_of_arrival(store: PriceStore, reader: Reader) -> None:
    first = stock_data(price="10")
    corrected = changed(first, price=Decimal(12), volume=7, observed_at=first.observed_at + timedelta(seconds=1))
    store.save([corrected, first])
    store.save([first])
    [row] = read_prices(reader, "AAPL")
    assert (str(row.price), row.volume) == ("12", 7)


@pytest.mark.parametrize("interval", [None, "1d"])
@pytest.mark.parametrize(
    ("ahead", "wins"), [(timedelta(days=365), True), (timedelta(minutes=6), True), (timedelta(minutes=4), False)]
)
def test_a_stored_price_from_far_ahead_of_the_clock_loses_to_any_other(
    engine: Engine, reader: Reader, interval: str | None, ahead: timedelta, wins: bool
) -> None:
    """An earlier version stored such prices, and nothing could ever correct them."""
    fields = {} if interval is None else {"interval": interval}
    first = stock_data(price="10", **fields)
    PriceStore(engine).save([changed(first, observed_at=NOW + ahead)])
    corrected = changed(first, price=Decimal(12), observed_at=NOW)
    PriceStore(engine, clock=lambda: NOW).save([corrected])
    PriceStore(engine, clock=lambda: NOW).save([first])
    [row] = read_prices(reader, "AAPL")
    assert str(row.price) == ("12" if wins else "10")


def test_each_provider_has_its_own_row(store: PriceStore, reader: Reader) -> None:
    store.save([stock_data(price="10"), stock_data(price="11", provider="replay")])
    assert [(row.provider, str(row.price)) for row in read_prices(reader, "AAPL")] == [
        ("replay", "11"),
        ("simulated", "10"),
    ]


def test_prices_are_read_oldest_first_and_limited_to_the_newest(store: PriceStore, reader: Reader) -> None:
    events = price_series(["1", "2", "3", "4"])
    store.save(list(reversed(events)))
    assert [str(row.price) for row in read_prices(reader, "AAPL")] == ["1", "2", "3", "4"]
    assert [str(row.price) for row in read_prices(reader, "AAPL", limit=2)] == ["3", "4"]
    between = read_prices(reader, "AAPL", since=events[1].as_of, until=events[3].as_of)
    assert [str(row.price) for row in between] == ["2", "3"]
    assert list(read_prices(reader, "MSFT")) == []


def test_a_failed_batch_stores_nothing_and_the_next_batch_is_stored(store: PriceStore, reader: Reader) -> None:
    with pytest.raises(StorageError):
        store.save([stock_data("NEW", "10"), changed(stock_data("NEW2"), price=Decimal(-1))])
    store.save([stock_data("NEW", "10")])
    assert [row.symbol for row in stored_symbols(reader)] == ["NEW"]


def test_two_writers_at_once_store_every_price_once(history_url: URL, engine: Engine, reader: Reader) -> None:
    events = price_series([str(number) for number in range(1, 401)])
    failures: list[Exception] = []

    def write(own: list[StockData]) -> None:
        with opened(history_url) as mine:
            store = PriceStore(mine)
            try:
                for start in range(0, len(own), 20):
                    store.save(own[start : start + 20])
            except StorageError as error:
                failures.append(error)

    threads = [threading.Thread(target=write, args=(own,)) for own in (events, events[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(list(read_prices(reader, "AAPL"))) == 400


def test_several_processes_can_create_the_schema_at_once(database_url: URL) -> None:
    failures: list[Exception] = []

    def create() -> None:
        with opened(database_url) as engine:
            try:
                create_schema(engine, SCHEMA)
            except StorageError as error:
                failures.append(error)

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_commit_survives_a_power_loss_and_readers_do_not_block(sqlite_url: URL) -> None:
    with opened(sqlite_url) as engine, engine.connect() as connection:
        assert connection.exec_driver_sql("pragma journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("pragma synchronous").scalar() == 2  # FULL


def test_an_unfinished_query_does_not_block_the_writer(sqlite_url: URL) -> None:
    with opened(sqlite_url) as engine:
        create_schema(engine, SCHEMA)
        store = PriceStore(engine)
        store.save(price_series(["1", "2", "3"]))
        with open_reader(DatabaseUrl(str(sqlite_url))) as reader:
            rows = read_prices(reader, "AAPL")
            assert next(rows).price == 1
            store.save([stock_data(price="4", as_of=AS_OF + timedelta(hours=1))])
            assert [str(row.price) for row in rows] == ["2", "3"]


def test_a_query_that_a_reader_holds_open_stops_no_writer_and_loses_no_row(
    history_url: URL, engine: Engine, store: PriceStore
) -> None:
    events = price_series([str(number) for number in range(1, 3001)])
    store.save(events[:1000])
    every_row = text("SELECT price FROM quote ORDER BY as_of")
    with opened(history_url) as other, reading(other) as connection:
        rows = iter(connection.execution_options(yield_per=10).execute(every_row).scalars())
        seen = [next(rows)]
        for start in range(1000, 3000, 100):
            store.save(events[start : start + 100])
        seen += rows
        # What the reader asks later is of the moment of its first row, too.
        assert connection.scalar(text("SELECT count(*) FROM quote")) == 1000
    assert seen == list(range(1, 1001))
    with reading(engine) as connection:
        assert connection.execute(every_row).scalars().all() == list(range(1, 3001))


def test_a_locked_database_is_a_transient_error(sqlite_url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.database.engine.BUSY_TIMEOUT", 0.1)
    with opened(sqlite_url) as engine:
        create_schema(engine, SCHEMA)
        store = PriceStore(engine)
        with opened(sqlite_url) as other, writing(other), pytest.raises(StorageUnavailable, match="locked"):
            store.save([stock_data()])
        store.save([stock_data()])


@pytest.mark.usefixtures("no_check_of_whole_files")
def test_the_consumer_goes_on_after_a_touch_whose_last_batch_can_be_read_back(sqlite_url: URL) -> None:
    path, events = Path(str(sqlite_url.database)), price_series(["1", "2", "3", "4"])
    with open_handler(history_at(sqlite_url)) as handle:
        path.touch()
        handle(events[:2])
        path.touch()
        handle(events[2:])
        # Another process replaces a price by a later observation.
        with opened(sqlite_url) as other:
            PriceStore(other).save([changed(events[2], price=Decimal(5), observed_at=NOW + timedelta(days=1))])
        path.touch()
        handle(events[:1])
    with open_reader(DatabaseUrl(str(sqlite_url))) as reader:
        assert [str(row.price) for row in read_prices(reader, "AAPL")] == ["1", "2", "5", "4"]


@pytest.mark.usefixtures("large_files")
def test_a_batch_is_handled_again_if_the_last_one_is_gone(sqlite_url: URL) -> None:
    """Such as by a command that removes old prices, in a file that was also touched."""
    path, events = Path(str(sqlite_url.database)), price_series(["1", "2", "3"])
    with open_handler(history_at(sqlite_url)) as handle:
        handle(events[:2])
        with opened(sqlite_url) as other, writing(other) as connection:
            connection.execute(delete(quote))
        path.touch()
        with pytest.raises(StorageReopened):
            handle(events[2:])
        handle(events[2:])
    with open_reader(DatabaseUrl(str(sqlite_url))) as reader:
        assert [str(row.price) for row in read_prices(reader, "AAPL")] == ["3"]


def test_a_file_that_is_not_a_database_is_named(sqlite_url: URL) -> None:
    assert sqlite_url.database
    Path(sqlite_url.database).write_text("this is not a database, but it is as long as one. " * 20)
    with pytest.raises(StorageError, match="not a SQLite file"), open_handler(history_at(sqlite_url)):
        pass


def test_a_read_only_database_is_named(sqlite_url: URL) -> None:
    with opened(sqlite_url) as engine:
        create_schema(engine, SCHEMA)
    read_only = make_url(f"sqlite:///file:{sqlite_url.database}?mode=ro&uri=true")
    with opened(read_only) as engine, pytest.raises(StorageError, match="read-only"):
        PriceStore(engine).save([stock_data()])


def test_a_query_before_any_price_is_stored_names_the_command_to_run(sqlite_url: URL) -> None:
    settings = history_at(sqlite_url)
    with pytest.raises(StorageError, match="stockwire up"):
        history_reader(settings).__enter__()
    assert sqlite_url.database
    assert not Path(sqlite_url.database).exists(), "a query must not create the file"
    sqlite3.connect(sqlite_url.database).close()
    with pytest.raises(StorageError, match="stockwire up"):
        history_reader(settings).__enter__()


def test_a_database_without_a_driver_is_refused() -> None:
    with pytest.raises(StorageError, match="driver"):
        open_engine(make_url("oracle://localhost/x"))
