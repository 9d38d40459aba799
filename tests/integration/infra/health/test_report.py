"""The whole health report: a real RabbitMQ, a table of results as Celery writes it, and a folder of state."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from celery.backends.database.models import TaskExtended
from sqlalchemy.orm import Session

from consumers.alerts.notifications.target_store import add_target
from consumers.alerts.notifications.targets import Target
from consumers.alerts.tables import SCHEMA
from consumers.web.health import FailedSymbols
from infra.health import broker_probe, report
from infra.health.broker_probe import BrokerProbe
from infra.health.databases import read_databases
from infra.health.report import QUEUES, HealthReporter
from infra.up.sync_monitor import TASK
from producer.providers.http.circuit_breaker import CircuitBreaker, save_circuit_breaker
from producer.providers.http.quota import reserve
from producer.state import BEAT_LOCK, open_state
from shared.accounts import Account
from shared.database.engine import opened, writing
from shared.database.schema import create_schema
from shared.errors import AuthenticationFailed
from shared.locks import file_lock
from shared.messaging.address import BrokerAddress
from shared.settings import Settings, parse_database_url
from tests.event_factories import NOW
from tests.queues import declare

Write = Callable[..., None]
KEYED = Account("https://api.twelvedata.com", key="secret-key", per_minute=8, per_day=800)


@pytest.fixture(autouse=True)
def _no_old_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (broker_probe, report):
        monkeypatch.setattr(module, "_FRESH", 0)


@pytest.fixture
def settings(broker: BrokerAddress, tmp_path: Path) -> Settings:
    urls = {name: f"sqlite:///{tmp_path / name}.db" for name in ("history", "alerts", "celery")}
    return Settings(
        amqp_url=broker,
        history_url=parse_database_url(urls["history"]),
        alerts_url=parse_database_url(urls["alerts"]),
        results_url=parse_database_url(urls["celery"]),
        provider=("twelvedata", "simulated"),
        accounts={"twelvedata": KEYED},
    )


@pytest.fixture
def reporter(settings: Settings, tmp_path: Path) -> Iterator[HealthReporter]:
    probe = BrokerProbe(settings.amqp_url, QUEUES)
    yield HealthReporter(settings, probe, None, tmp_path, clock=lambda: NOW)
    probe.close()


@pytest.fixture
def write(settings: Settings) -> Iterator[Write]:
    """A function that adds the result of a sync."""
    with opened(settings.results_url.engine_url) as engine:
        TaskExtended.__table__.create(engine)

        def add(task: str, status: str, result: Any, name: str = TASK) -> None:
            with Session(engine) as session:
                row = TaskExtended(task)
                row.status, row.result, row.name = status, json.dumps(result).encode(), name
                row.date_done = datetime(2024, 11, 20, 10, 0, 1, tzinfo=UTC).replace(tzinfo=None)
                session.add(row)
                session.commit()

        yield add


def outcome(second: int, provider: str = "twelvedata", **fields: Any) -> dict[str, Any]:
    return {"at": f"2024-11-20T10:00:{second:02}Z", "provider": provider, "published": 2, "failed": {}} | fields


def test_in_an_empty_folder_everything_is_missing_and_nothing_is_created(
    reporter: HealthReporter, tmp_path: Path
) -> None:
    found = reporter.report()
    assert (found.last_sync, found.next_sync, found.market, found.targets) == (None, None, None, [])
    assert found.broker.available
    assert [(each.queue, each.waiting) for each in found.queues] == [(queue, None) for queue in QUEUES]
    assert [each.bytes for each in found.databases] == [None] * 4
    assert (found.worker.alive, found.beat.alive) == (False, False)
    assert [each.part for each in found.problems] == ["history", "alerts", "producer", "producer"]
    assert found.versions["rabbitmq"] == found.broker.version
    assert list(tmp_path.iterdir()) == []


def test_the_last_sync_has_its_failures_by_reason_and_each_provider_its_last_delivery(
    reporter: HealthReporter, write: Write
) -> None:
    write("1", "SUCCESS", outcome(1, "twelvedata,simulated"))
    write("2", "SUCCESS", outcome(2, "simulated", failed={"A": "is not known", "B": "is late", "C": "is not known"}))
    write("3", "SUCCESS", outcome(3, "", published=0, skipped="another sync is running"))
    write("4", "FAILURE", {"exc_message": ["other"]}, name="other.task")
    found = reporter.report()
    assert found.last_sync is not None
    assert (found.last_sync.at, found.last_sync.state) == ("2024-11-20T10:00:02Z", "partial")
    assert found.last_sync.failures == [FailedSymbols("is not known", ["A", "C"]), FailedSymbols("is late", ["B"])]
    assert [(each.name, each.is_real, each.last_delivery) for each in found.providers] == [
        ("twelvedata", True, "2024-11-20T10:00:01Z"),
        ("simulated", False, "2024-11-20T10:00:02Z"),
    ]


def test_a_sync_that_failed_as_a_whole_is_told_in_its_words(reporter: HealthReporter, write: Write) -> None:
    write("1", "FAILURE", {"exc_type": "ProviderUnavailable", "exc_message": ["Twelve Data answered 500"]})
    found = reporter.report()
    assert found.last_sync is not None
    assert (found.last_sync.at, found.last_sync.state) == ("2024-11-20T10:00:01Z", "failed")
    assert "the sync failed: Twelve Data answered 500" in [each.text for each in found.problems]


def test_a_rejected_key_is_told_of_its_provider(reporter: HealthReporter, write: Write) -> None:
    write("1", "SUCCESS", outcome(1, "simulated", rejected_keys={"twelvedata": "Twelve Data rejected the key"}))
    assert [each.last_error for each in reporter.report().providers] == ["Twelve Data rejected the key", None]


def test_credits_and_circuits_are_those_that_the_producer_keeps(reporter: HealthReporter, tmp_path: Path) -> None:
    name = KEYED.fingerprint("twelvedata")
    with open_state(tmp_path) as engine, writing(engine) as connection:
        reserve(connection, name, KEYED, 3, NOW)
        error = AuthenticationFailed("Twelve Data rejected the key")
        save_circuit_breaker(connection, name, CircuitBreaker().failed(error, NOW))
    provider = reporter.report().providers[0]
    assert [(each.period, each.used, each.left) for each in provider.credits] == [("minute", 3, 5), ("day", 3, 797)]
    assert provider.circuit is not None
    assert (provider.circuit.state, provider.circuit.retry_at) == ("open", "2024-11-20T11:00:03.120000Z")
    assert "Twelve Data rejected the key" in str(provider.last_error)


def test_beat_is_alive_while_it_holds_its_lock_and_then_the_next_sync_is_known(
    reporter: HealthReporter, write: Write, tmp_path: Path
) -> None:
    write("1", "SUCCESS", outcome(1))
    with file_lock(tmp_path / BEAT_LOCK):
        found = reporter.report()
    assert (found.beat.alive, found.next_sync) == (True, "2024-11-20T10:05:01Z")
    assert reporter.report().next_sync is None


def test_databases_have_the_size_of_all_their_files_and_targets_are_listed(
    reporter: HealthReporter, settings: Settings, broker: BrokerAddress
) -> None:
    declare(broker, name="history")
    file = settings.alerts_url.sqlite_file
    assert file is not None
    with opened(settings.alerts_url.engine_url) as engine:
        create_schema(engine, SCHEMA)
        with writing(engine) as connection:
            add_target(connection, Target(0, "hook", "https://example.com/a-secret-token"), NOW)
        found = reporter.report()
        wanted = sum(path.stat().st_size for path in file.parent.glob("alerts.db*"))
    alerts = next(each for each in found.databases if each.name == "alerts")
    assert alerts.bytes == wanted
    assert [(each.name, each.address, each.state) for each in found.targets] == [
        ("hook", "https://example.com", "enabled")
    ]
    assert "a-secret-token" not in str(found)
    assert "secret-key" not in str(found)


def test_a_database_on_postgresql_has_the_size_that_the_server_tells(
    settings: Settings, postgresql: str, tmp_path: Path
) -> None:
    on_server = replace(settings, history_url=parse_database_url(postgresql))
    history = read_databases(on_server, tmp_path)[0]
    assert (history.name, history.error) == ("history", None)
    assert history.bytes is not None
    assert history.bytes > 1_000_000
    assert "postgres" in history.url


def test_what_cannot_be_read_is_a_fault_and_the_rest_is_told(
    reporter: HealthReporter, settings: Settings, tmp_path: Path
) -> None:
    for name in ("celery", "alerts"):
        (tmp_path / f"{name}.db").write_text("no database at all, but long enough to be looked at" * 10)
    found = reporter.report()
    faults = [each for each in found.problems if "not a SQLite file" in each.text]
    assert [each.part for each in faults] == ["results", "alerts"]
    assert found.broker.available


def test_without_the_broker_the_databases_are_told(settings: Settings, tmp_path: Path) -> None:
    away = replace(settings, amqp_url=replace(settings.amqp_url, port=1))
    found = HealthReporter(away, BrokerProbe(away.amqp_url, QUEUES), None, tmp_path, clock=lambda: NOW).report()
    assert (found.broker.available, found.worker.alive, len(found.databases)) == (False, None, 4)
    assert found.problems[0].part == "broker"
