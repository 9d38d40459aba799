"""PostgreSQL is locked or down: events wait in the queue, and are stored when it is back."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import URL, make_url

from shared.events import stock_data_id
from shared.prices import from_float
from shared.times import parse_instant
from tests.faults.assertions import assert_eventually, assert_prints, assert_stops
from tests.faults.ledger import Stored, check_deliveries, check_history
from tests.faults.load import Load, prices
from tests.faults.markers import control, fault
from tests.faults.pipeline import SABOTAGED, Pipeline
from tests.faults.test_storage import EVENTS, PROMPT, TRYING, wait_for_tries
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


@fault
def test_a_stop_is_heard_while_the_database_is_locked(pipeline: Pipeline, postgresql: str) -> None:
    pipeline.declare("history")
    with storing(pipeline, postgresql, "history") as process, locked(postgresql):
        with Load(pipeline.address, prices(EVENTS)) as load:
            load.finish()
        assert_eventually(lambda: pipeline.waiting("history") < EVENTS, "the first delivery")
        assert_stops(process, PROMPT)
        assert_eventually(lambda: pipeline.waiting("history") == EVENTS, f"{EVENTS} events in the queue", PROMPT)
