"""Several processes that start at once on one database of an earlier version, on SQLite and PostgreSQL."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import URL

from consumers.alerts.rules.store import list_rules
from consumers.history.tables import SCHEMA
from shared.database import schema
from shared.database.engine import opened, reading, writing
from shared.database.schema import create_schema
from shared.errors import StorageLocked
from tests.forked_processes import stockwire
from tests.integration.consumers.alerts.test_migrations import OLD_RULES
from tests.integration.consumers.alerts.test_migrations import create_old_database as create_old_alerts
from tests.integration.consumers.history.test_migrations import OLD_PRICES
from tests.integration.consumers.history.test_migrations import create_old_database as create_old_history

PROCESSES = 6


def run_at_once(commands: Sequence[Sequence[str]], setting: str, url: URL) -> None:
    environment = {setting: url.render_as_string(hide_password=False)}
    with ThreadPoolExecutor(len(commands)) as pool:
        results = list(pool.map(lambda words: stockwire(*words, environment=environment), commands))
    assert [(done.returncode, done.stderr) for done in results] == [(0, "")] * len(commands)


def test_the_history_is_migrated_once(database_url: URL) -> None:
    create_old_history(database_url)
    commands = [["splits", "add", f"S{number}", "2020-08-31", "4:1"] for number in range(PROCESSES)]
    run_at_once(commands, "STOCKWIRE_HISTORY_URL", database_url)
    with opened(database_url) as engine, reading(engine) as connection:
        assert connection.scalar(text("SELECT count(*) FROM split")) == PROCESSES
        assert connection.scalar(text("SELECT count(*) FROM price_history")) == len(OLD_PRICES)


def test_the_alerts_database_is_migrated_once(database_url: URL) -> None:
    create_old_alerts(database_url)
    commands = [["rules", "add", f"new {number}", "MSFT above 100"] for number in range(PROCESSES)]
    run_at_once(commands, "STOCKWIRE_ALERTS_URL", database_url)
    with opened(database_url) as engine:
        assert len(list(list_rules(engine))) == len(OLD_RULES) + PROCESSES


def test_a_start_waits_until_another_process_has_migrated(database_url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration of a large database takes longer than a statement waits for a lock."""
    monkeypatch.setattr("shared.database.engine.BUSY_TIMEOUT", 0.1)
    begun = threading.Event()
    create = schema._create

    def create_slowly(*arguments: Any) -> None:
        begun.set()
        time.sleep(0.5)
        create(*arguments)

    monkeypatch.setattr(schema, "_create", create_slowly)

    def start() -> None:
        with opened(database_url) as engine:
            create_schema(engine, SCHEMA)

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(start)
        assert begun.wait(10)
        start()
        other.result(10)


def test_a_database_that_stays_locked_is_one_line(database_url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.database.engine.BUSY_TIMEOUT", 0.05)
    monkeypatch.setattr(schema, "MIGRATION_TIMEOUT", 0.2)
    with opened(database_url) as engine, opened(database_url) as other, writing(other) as connection:
        if database_url.get_backend_name() == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('stockwire.history'))"))
        with pytest.raises(StorageLocked, match="cannot be written for now"):
            create_schema(engine, SCHEMA)
