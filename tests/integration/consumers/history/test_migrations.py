"""Databases of the first version, in which bars and quotes were one table, on real SQLite and PostgreSQL."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.engine import URL

from consumers.history.queries.prices import history_reader, read_prices
from consumers.history.queries.splits import StoredSplit, read_splits
from consumers.history.queries.symbols import latest_prices
from consumers.history.store import PriceStore
from consumers.history.tables import SCHEMA
from shared.database.engine import opened, reading, writing
from shared.database.schema import create_schema
from shared.database.url import DatabaseUrl
from shared.errors import StorageError
from shared.settings import Settings
from shared.splits import Split
from shared.times import midnight_of, to_micros
from tests.event_factories import AS_OF, changed, stock_data

MIDNIGHT = midnight_of(AS_OF.date())
SECOND = 1_000_000  # microseconds

OLD_SCHEMA = """
    CREATE TABLE series ({id} PRIMARY KEY, symbol TEXT NOT NULL, provider TEXT NOT NULL, UNIQUE (symbol, provider));
    CREATE TABLE price (
        series_id INTEGER NOT NULL REFERENCES series (id), as_of BIGINT NOT NULL, price DOUBLE PRECISION NOT NULL,
        currency TEXT, volume BIGINT, lag BIGINT NOT NULL, PRIMARY KEY (series_id, as_of), CHECK (price > 0)
    ) {options};
    CREATE VIEW price_history AS SELECT symbol, as_of, price FROM price JOIN series ON series.id = price.series_id;
    INSERT INTO series (symbol, provider) VALUES ('AAPL', 'yahoo'), ('AAPL', 'simulated'), ('VOD.L', 'yahoo');
"""
OLD_PRICES = [
    (1, MIDNIGHT - timedelta(days=1), 1.0, "USD", 100),
    (1, MIDNIGHT, 2.0, "USD", None),
    (1, AS_OF, 3.0, "USD", 300),
    (2, AS_OF, 4.0, None, None),
    (2, AS_OF + timedelta(minutes=5), 5.0, "USD", None),
    (3, AS_OF, 6.0, "GBP", None),
    (3, AS_OF + timedelta(minutes=5), 7.0, None, None),
]


def create_old_database(url: URL) -> None:
    """Create the tables and the view as the first version did, with prices."""
    is_sqlite = url.get_backend_name() == "sqlite"
    schema = OLD_SCHEMA.format(
        id="id INTEGER NOT NULL" if is_sqlite else "id SERIAL", options="WITHOUT ROWID" if is_sqlite else ""
    )
    insert = text("INSERT INTO price VALUES (:series, :as_of, :price, :currency, :volume, :lag)")
    rows = [
        dict(zip(("series", "as_of", "price", "currency", "volume", "lag"), (*row, SECOND), strict=True))
        for row in OLD_PRICES
    ]
    with opened(url) as engine, writing(engine) as connection:
        for statement in filter(str.strip, schema.split(";")):
            connection.execute(text(statement))
        connection.execute(insert, [{**row, "as_of": to_micros(row["as_of"])} for row in rows])


@pytest.fixture
def old_database(database_url: URL) -> Iterator[Engine]:
    create_old_database(database_url)
    with opened(database_url) as engine:
        yield engine


def test_prices_of_midnight_become_daily_bars_and_all_others_stay_quotes(old_database: Engine) -> None:
    create_schema(old_database, SCHEMA)
    with history_reader(settings_of(old_database)) as reader:
        rows = [*read_prices(reader, "AAPL"), *read_prices(reader, "VOD.L")]
        newest = [(row.symbol, str(row.price)) for row in latest_prices(reader)]
    columns = ("price", "currency", "volume", "provider", "interval")
    assert [tuple(row.fields()[name] for name in columns) for row in rows] == [
        ("1", "USD", 100, "yahoo", "1d"),
        ("2", "USD", None, "yahoo", "1d"),
        ("4", None, None, "simulated", None),
        ("3", "USD", 300, "yahoo", None),
        ("5", "USD", None, "simulated", None),
        ("6", "GBP", None, "yahoo", None),
        ("7", None, None, "yahoo", None),
    ]
    assert newest == [("AAPL", "5"), ("VOD.L", "7")]
    with reading(old_database) as connection:
        observed = connection.execute(text("SELECT DISTINCT observed_at FROM price_history WHERE price = 3")).scalar()
    assert observed == "2024-11-20T09:59:59.000000Z"


def test_a_bar_that_arrives_after_the_migration_replaces_the_price_of_midnight(old_database: Engine) -> None:
    create_schema(old_database, SCHEMA)
    bar = stock_data("AAPL", "2.5", MIDNIGHT, "yahoo", interval="1d", open=Decimal(2), high=Decimal(3), low=Decimal(1))
    live = changed(stock_data("AAPL", "9", AS_OF, "yahoo"), volume=9)
    PriceStore(old_database).save([bar, live])
    with reading(old_database) as connection:
        bars = connection.execute(text("SELECT start, open, high, low, close FROM bars ORDER BY start")).all()
        quotes = connection.execute(text("SELECT count(*), max(price) FROM price_history WHERE interval IS NULL")).one()
    assert [tuple(row) for row in bars] == [
        ("2024-11-19T00:00:00.000000Z", None, None, None, 1),
        ("2024-11-20T00:00:00.000000Z", 2, 3, 1, 2.5),
    ]
    assert tuple(quotes) == (5, 9)


def test_splits_of_an_earlier_version_were_added_by_hand(database_url: URL) -> None:
    with opened(database_url) as engine:
        create_schema(engine, SCHEMA)
        with writing(engine) as connection:
            connection.execute(text("DROP TABLE live_batch"))
            connection.execute(text("ALTER TABLE split DROP COLUMN source"))
            connection.execute(text("UPDATE alembic_version_history SET version_num = '0002'"))
            connection.execute(text("INSERT INTO split VALUES ('AAPL', '2020-08-31', 4, 1)"))
        create_schema(engine, SCHEMA)
        with history_reader(settings_of(engine)) as reader:
            assert read_splits(reader) == [StoredSplit(Split("AAPL", date(2020, 8, 31), 4, 1), "hand")]


def test_a_migrated_database_is_left_alone(old_database: Engine) -> None:
    create_schema(old_database, SCHEMA)
    create_schema(old_database, SCHEMA)
    with reading(old_database) as connection:
        assert connection.execute(text("SELECT count(*) FROM price_history")).scalar() == len(OLD_PRICES)


def test_a_command_that_reads_names_the_command_that_migrates(old_database: Engine) -> None:
    with pytest.raises(StorageError, match=r"run \./stockwire consume history, which migrates it"):
        history_reader(settings_of(old_database)).__enter__()


def test_a_database_of_a_later_version_is_refused(database_url: URL) -> None:
    with opened(database_url) as engine:
        create_schema(engine, SCHEMA)
        with writing(engine) as connection:
            connection.execute(text("UPDATE alembic_version_history SET version_num = '9999'"))
        with pytest.raises(StorageError, match="belongs to a later version"):
            history_reader(settings_of(engine)).__enter__()
        with pytest.raises(StorageError, match="belongs to a later version"):
            create_schema(engine, SCHEMA)


def settings_of(engine: Engine) -> Settings:
    return Settings(history_url=DatabaseUrl(engine.url.render_as_string(hide_password=False)))
