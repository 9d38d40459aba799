"""The sync monitor prints notices about failed syncs, from the table of results as Celery writes it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery.backends.database.models import TaskExtended
from sqlalchemy.orm import Session

from infra.up import sync_monitor as syncs
from infra.up.sync_monitor import SyncMonitor, describe_result
from shared.database.engine import opened
from shared.settings import parse_database_url

Write = Callable[..., None]


@pytest.fixture
def monitor_and_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[SyncMonitor, Write]]:
    """A new monitor of a table with an old failure, and a function that adds or changes a result."""
    monkeypatch.setattr(syncs, "_POLL_INTERVAL", 0)
    url = parse_database_url(f"sqlite:///{tmp_path / 'celery.db'}")
    with opened(url.engine_url) as engine:
        TaskExtended.__table__.create(engine)

        def write(task: str, status: str, result: Any, name: str = syncs.TASK) -> None:
            with Session(engine) as session:
                row = session.query(TaskExtended).filter_by(task_id=task).one_or_none() or TaskExtended(task)
                row.status, row.result, row.name = status, json.dumps(result).encode(), name
                session.add(row)
                session.commit()

        write("old", "FAILURE", {"exc_message": ["of yesterday"]})
        yield SyncMonitor(url), write


def test_each_new_problem_gives_one_notice(monitor_and_write: tuple[SyncMonitor, Write]) -> None:
    monitor, write = monitor_and_write
    assert monitor.poll() == []
    write("1", "SUCCESS", {"published": 2, "failed": {}})
    assert monitor.poll() == []
    write("2", "FAILURE", {"exc_message": ["refuses the key"]})
    assert monitor.poll() == ["the sync failed: refuses the key"]
    write("3", "FAILURE", {"exc_message": ["refuses the key"]})
    assert monitor.poll() == []
    write("4", "SUCCESS", {"published": 2, "failed": {}})
    write("5", "FAILURE", {"exc_message": ["refuses the key"]})
    assert monitor.poll() == ["the sync failed: refuses the key"]


def test_a_retry_and_its_outcome_give_a_notice_each(monitor_and_write: tuple[SyncMonitor, Write]) -> None:
    monitor, write = monitor_and_write
    write("1", "RETRY", {"exc_message": ["no answer"]})
    assert monitor.poll() == ["the sync is retried: no answer"]
    write("1", "SUCCESS", {"published": 1, "failed": {"IBM": "is not known", "MSFT": "no"}})
    assert monitor.poll() == ["IBM, MSFT failed: is not known"]


def test_a_rejected_key_gives_a_notice_although_no_symbol_failed(monitor_and_write: tuple[SyncMonitor, Write]) -> None:
    monitor, write = monitor_and_write
    write("1", "SUCCESS", {"published": 2, "failed": {}, "rejected_keys": {"finnhub": "Finnhub rejected the key"}})
    assert monitor.poll() == ["Finnhub rejected the key"]


def test_remarks_on_published_prices_give_a_notice(monitor_and_write: tuple[SyncMonitor, Write]) -> None:
    monitor, write = monitor_and_write
    write("1", "SUCCESS", {"published": 2, "failed": {}, "remarks": ["DEADX: the price is years old"]})
    assert monitor.poll() == ["DEADX: the price is years old"]
    write("2", "SUCCESS", {"published": 1, "failed": {"IBM": "is not known"}, "remarks": ["A: odd", "B: old"]})
    assert monitor.poll() == ["IBM failed: is not known; A: odd; B: old"]


def test_other_tasks_are_ignored(monitor_and_write: tuple[SyncMonitor, Write]) -> None:
    monitor, write = monitor_and_write
    write("1", "FAILURE", {"exc_message": ["other"]}, name="other.task")
    assert monitor.poll() == []


def test_a_database_without_results_gives_no_notice(tmp_path: Path) -> None:
    assert SyncMonitor(parse_database_url(f"sqlite:///{tmp_path / 'none.db'}")).poll() == []


def test_unreadable_results_give_one_notice_until_they_can_be_read(
    monitor_and_write: tuple[SyncMonitor, Write], tmp_path: Path
) -> None:
    monitor, write = monitor_and_write
    results = tmp_path / "celery.db"
    results.rename(tmp_path / "aside.db")
    results.mkdir()
    [notice] = monitor.poll()
    assert notice.startswith("the results of syncs cannot be read: database ")
    assert monitor.poll() == []
    results.rmdir()
    (tmp_path / "aside.db").rename(results)
    write("1", "FAILURE", {"exc_message": ["refuses the key"]})
    assert monitor.poll() == ["the sync failed: refuses the key"]


@pytest.mark.parametrize("result", [None, b"", b"{", b"[]", b"null", b'"text"'])
@pytest.mark.parametrize("status", ["SUCCESS", "FAILURE", "RETRY", "STARTED"])
def test_a_malformed_result_gives_no_notice(status: str, result: bytes | None) -> None:
    assert describe_result(status, result) == ""


def test_a_sync_that_waits_for_a_quota_has_not_failed() -> None:
    limited = json.dumps({"exc_type": "RateLimited", "exc_message": ["S8, S9 left"]}).encode()
    assert describe_result("RETRY", limited) == "the sync waits for its quota: S8, S9 left"
    assert describe_result("FAILURE", limited) == "the sync ends: S8, S9 left"
