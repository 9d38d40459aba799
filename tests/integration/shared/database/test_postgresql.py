"""PostgreSQL: lost connections, rights, limits of waiting, and what a transaction sees."""

import socket
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, NullPool, create_engine, text
from sqlalchemy.engine import URL, make_url

from consumers.history.queries.comparable import symbols_with_prices
from consumers.history.queries.prices import history_reader, read_prices
from consumers.history.store import PriceStore
from consumers.history.tables import SCHEMA
from shared.database.engine import open_engine, opened, reading, writing
from shared.database.schema import create_schema
from shared.database.url import DatabaseUrl
from shared.errors import StorageError, StorageLocked, StorageUnavailable
from shared.prices import format_price
from shared.settings import Settings
from tests.event_factories import price_series, stock_data


@pytest.fixture
def engine(postgresql: str) -> Iterator[Engine]:
    with opened(make_url(postgresql)) as engine:
        create_schema(engine, SCHEMA)
        yield engine


def connect(url: URL) -> Connection:
    """Connect as another program, which sets no limits."""
    return create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool).connect()


def prices_of(url: URL, symbol: str = "AAPL") -> list[str]:
    settings = Settings(history_url=DatabaseUrl(url.render_as_string(hide_password=False)))
    with history_reader(settings) as reader:
        return [format_price(row.price) for row in read_prices(reader, symbol)]


def test_a_batch_whose_connection_is_lost_is_stored_by_the_next_try(engine: Engine) -> None:
    store = PriceStore(engine)
    store.save(price_series(["1", "2"]))

    def lose_the_connection() -> None:
        with writing(engine) as connection, connect(engine.url) as other:
            pid = connection.scalar(text("SELECT pg_backend_pid()"))
            other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
            connection.execute(text("SELECT 1"))

    with pytest.raises(StorageUnavailable, match="does not answer"):
        lose_the_connection()
    store.save(price_series(["1", "2", "3"]))
    assert prices_of(engine.url) == ["1", "2", "3"]


def test_a_connection_of_the_pool_that_was_ended_meanwhile_costs_no_try(engine: Engine) -> None:
    store = PriceStore(engine)
    store.save(price_series(["1"]))
    with connect(engine.url) as other:
        # The server is shared with other tests, each in a database of its own process.
        others = "pid <> pg_backend_pid() AND state = 'idle' AND datname = current_database()"
        other.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
    store.save(price_series(["1", "2"]))
    assert prices_of(engine.url) == ["1", "2"]


def test_a_table_that_is_locked_is_a_transient_error(postgresql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.database.engine.BUSY_TIMEOUT", 0.1)
    with opened(make_url(postgresql)) as engine:
        create_schema(engine, SCHEMA)
        with writing(engine) as connection:
            connection.execute(text("LOCK TABLE quote IN ACCESS EXCLUSIVE MODE"))
            with pytest.raises(StorageLocked, match="cannot be written for now: canceling statement due to lock"):
                PriceStore(engine).save([stock_data()])


def test_a_reader_sees_one_moment_and_can_change_nothing(engine: Engine) -> None:
    store = PriceStore(engine)
    store.save(price_series(["1"]))
    count = text("SELECT count(*) FROM quote")
    with reading(engine) as connection:
        assert connection.scalar(count) == 1
        store.save(price_series(["1", "2"]))
        assert connection.scalar(count) == 1
    with pytest.raises(StorageError, match="read-only transaction"), reading(engine) as connection:
        connection.execute(text("DELETE FROM quote"))


def test_a_connection_to_a_server_that_is_gone_is_given_up(engine: Engine) -> None:
    with reading(engine) as connection:
        descriptor = connection.connection.driver_connection.fileno()
        with socket.socket(fileno=socket.dup(descriptor)) as copy:
            assert copy.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 10
            assert copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000


def test_a_limit_in_the_url_wins(postgresql: str) -> None:
    url = make_url(postgresql).update_query_dict({"tcp_user_timeout": "4000"})
    with opened(url) as engine, reading(engine) as connection:
        info = connection.connection.driver_connection.info
        assert info.get_parameters()["tcp_user_timeout"] == "4000"
        assert info.get_parameters()["connect_timeout"] == "10"


@pytest.fixture
def stranger(engine: Engine) -> Iterator[URL]:
    """The URL of a user without rights."""
    name = str(engine.url.query["options"]).rpartition("=")[2].replace("test_", "stranger_")
    with connect(engine.url) as owner:
        owner.execute(text(f"CREATE ROLE {name} LOGIN"))
        yield engine.url.set(username=name)
        owner.execute(text(f"DROP OWNED BY {name}"))
        owner.execute(text(f"DROP ROLE {name}"))


def grant(engine: Engine, rights: str, role: URL) -> None:
    with connect(engine.url) as owner:
        schema = owner.scalar(text("SELECT current_schema()"))
        owner.execute(text(f"GRANT USAGE ON SCHEMA {schema} TO {role.username}"))
        owner.execute(text(f"GRANT {rights} ON ALL TABLES IN SCHEMA {schema} TO {role.username}"))
        owner.execute(text(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role.username}"))


def test_a_user_who_may_only_read_reads_and_gets_one_line_for_a_write(engine: Engine, stranger: URL) -> None:
    PriceStore(engine).save(price_series(["1"]))
    grant(engine, "SELECT", stranger)
    assert prices_of(stranger) == ["1"]
    with opened(stranger) as theirs:
        create_schema(theirs, SCHEMA)
        with pytest.raises(StorageError, match=r"permission denied for table quote; as the owner .*GRANT") as caught:
            PriceStore(theirs).save(price_series(["2"]))
    assert not isinstance(caught.value, StorageUnavailable)
    assert "\n" not in str(caught.value)


def test_a_user_who_may_only_store_needs_no_right_to_create_tables(engine: Engine, stranger: URL) -> None:
    grant(engine, "SELECT, INSERT, UPDATE, DELETE", stranger)
    with opened(stranger) as theirs:
        create_schema(theirs, SCHEMA)
        PriceStore(theirs).save(price_series(["1"]))
    assert prices_of(stranger) == ["1"]


def test_a_user_who_may_not_create_tables_gets_one_line(postgresql: str, stranger: URL) -> None:
    with connect(make_url(postgresql)) as owner:
        owner.execute(text("CREATE SCHEMA IF NOT EXISTS closed"))
        owner.execute(text(f"GRANT USAGE ON SCHEMA closed TO {stranger.username}"))
    engine = open_engine(stranger.update_query_dict({"options": "-csearch_path=closed"}))
    with pytest.raises(StorageError, match="permission denied for schema closed"):
        create_schema(engine, SCHEMA)
    engine.dispose()


def test_symbols_are_sorted_as_sqlite_sorts_them(engine: Engine) -> None:
    names = ["BRK.B", "BRKA", "BRK-A", "A", "^GSPC", "EURUSD=X", "B"]
    PriceStore(engine).save([stock_data(name) for name in names])
    settings = Settings(history_url=DatabaseUrl(engine.url.render_as_string(hide_password=False)))
    with history_reader(settings) as reader:
        assert symbols_with_prices(reader) == sorted(names)
