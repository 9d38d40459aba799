"""PostgreSQL is locked, down, restarted or killed: events wait in the queue, and are stored when it is back."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError

from shared.events import stock_data_id
from shared.prices import from_float
from shared.times import parse_instant
from tests.conftest import started_postgresql
from tests.faults.assertions import assert_eventually, assert_prints, assert_stops
from tests.faults.ledger import Alerted, Stored, check_alerts, check_deliveries, check_history, check_wire
from tests.faults.load import Load, prices
from tests.faults.markers import control, fault
from tests.faults.pipeline import RULES, SABOTAGED, Pipeline
from tests.faults.test_storage import EVENTS, PROMPT, TRYING, wait_for_tries
from tests.postgresql import PostgresqlServer
from tests.processes import Process

Fault = Callable[[str], AbstractContextManager[None]]


@contextmanager
def connected(url: str | URL, **options: Any) -> Iterator[Connection]:
    engine = create_engine(url, **options)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Hold an exclusive lock on the table for one block."""
    with connected(url) as connection, connection.begin():
        connection.execute(text("LOCK TABLE quote IN ACCESS EXCLUSIVE MODE"))
        yield


@contextmanager
def away(url: str) -> Iterator[None]:
    """End every connection to the database and refuse new ones for one block, like a stopped server."""
    name = make_url(url).database
    with connected(make_url(url).set(database="postgres"), isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"))
        try:
            yield
        finally:
            connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))


def storing(pipeline: Pipeline, url: str, consumer: str) -> AbstractContextManager[Process]:
    pipeline.settings["STOCKWIRE_HISTORY_URL"] = url
    return pipeline.consuming(consumer)


def read_prices(url: str) -> list[Stored]:
    with connected(url) as connection:
        rows = connection.execute(text("SELECT provider, symbol, as_of, price FROM price_history")).all()
    return [
        Stored(stock_data_id(provider, symbol, parse_instant(as_of)), from_float(price))
        for provider, symbol, as_of, price in rows
    ]


def break_database(pipeline: Pipeline, url: str, fault: Fault, consumer: str = "history") -> None:
    """Break the database under load: the consumer says that it waits, and stores everything afterwards."""
    pipeline.declare("history")
    with storing(pipeline, url, consumer) as process, Load(pipeline.address, prices(4 * EVENTS), rate=EVENTS) as load:
        assert_eventually(lambda: read_prices(url), "the first prices")
        with fault(url):
            wait_for_tries(process, 2)
        ledger = load.finish()
        pipeline.drain("history", process)
    rows = read_prices(url)
    check_history(ledger, rows)
    check_deliveries(pipeline.deliveries("history"), rows)
    assert_prints(process, TRYING, 2)


@fault
@pytest.mark.parametrize("how", [locked, away])
def test_history_waits_for_its_database_and_goes_on(pipeline: Pipeline, postgresql_database: str, how: Fault) -> None:
    break_database(pipeline, postgresql_database, how)


@control
def test_control(pipeline: Pipeline, postgresql_database: str) -> None:
    break_database(pipeline, postgresql_database, away, f"{SABOTAGED}:history_acknowledging_first")


@pytest.fixture
def server() -> Iterator[PostgresqlServer]:
    """A server of this test alone, which it may stop and kill."""
    with started_postgresql() as server:
        yield server


def restart(server: PostgresqlServer) -> None:
    server.stop()
    server.start()


def kill_a_process(server: PostgresqlServer) -> None:
    """Kill the process of the server that works for the consumer. The server then ends all others, and recovers."""
    with connected(server.url) as connection:
        query = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        found = connection.scalar(text(query))
    if found:
        server.kill_backend(found)


def count_rows(url: str, view: str) -> int:
    """Return the number of rows, or 0 while the server is away."""
    try:
        with connected(url) as connection:
            return connection.scalar(text(f"SELECT count(*) FROM {view}")) or 0
    except DBAPIError:
        return 0


@fault
@pytest.mark.parametrize("name", ["history", "alerts"])
@pytest.mark.parametrize("act", [restart, kill_a_process])
def test_a_server_that_is_restarted_or_killed_again_and_again_loses_and_doubles_nothing(
    pipeline: Pipeline, server: PostgresqlServer, name: str, act: Callable[[PostgresqlServer], None]
) -> None:
    pipeline.settings[f"STOCKWIRE_{name.upper()}_URL"] = server.url
    pipeline.declare(name)
    if name == "alerts":
        pipeline.add_rules()
        pipeline.listen()
    view = "price_history" if name == "history" else "price_alerts"
    load = Load(pipeline.address, prices(4 * EVENTS), rate=EVENTS)
    with pipeline.consuming(name) as process, load:
        for _ in range(3):
            before = count_rows(server.url, view)
            assert_eventually(lambda before=before: count_rows(server.url, view) > before, "more rows")
            act(server)
        ledger = load.finish()
        pipeline.drain(name, process)
    assert_prints(process, TRYING)
    if name == "history":
        rows = read_prices(server.url)
        check_history(ledger, rows)
        check_deliveries(pipeline.deliveries("history"), rows)
        return
    with connected(server.url) as connection:
        rows = connection.execute(text("SELECT rule_name, event_id FROM price_alerts")).all()
    raised = [Alerted(*row) for row in rows]
    check_alerts(ledger, raised, RULES)
    check_wire(pipeline.heard(), raised)


@fault
def test_a_stop_is_heard_while_the_database_is_locked(pipeline: Pipeline, postgresql: str) -> None:
    pipeline.declare("history")
    with storing(pipeline, postgresql, "history") as process, locked(postgresql):
        with Load(pipeline.address, prices(EVENTS)) as load:
            load.finish()
        assert_eventually(lambda: pipeline.waiting("history") < EVENTS, "the first delivery")
        assert_stops(process, PROMPT)
        assert_eventually(lambda: pipeline.waiting("history") == EVENTS, f"{EVENTS} events in the queue", PROMPT)
