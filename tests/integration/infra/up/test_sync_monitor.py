"""What `up` tells of the syncs, from the table of results as Celery writes it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery.backends.database.models import TaskExtended
from sqlalchemy.orm import Session

from infra.up import sync_monitor as syncs
from infra.up.sync_monitor import SyncMonitor, describe_result
from shared.database import opened
from shared.settings import parse_database_url

Write = Callable[..., None]


@pytest.fixture
def troubles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[SyncMonitor, Write]]:
    """Fresh eyes on a table with an old trouble in it, and a way to write another result or change one."""
    monkeypatch.setattr(syncs, "_LOOK_EVERY", 0)
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


def test_each_new_trouble_is_told_once(troubles: tuple[SyncMonitor, Write]) -> None:
    seen, write = troubles
    assert seen.look() == []
    write("1", "SUCCESS", {"published": 2, "failed": {}})
    assert seen.look() == []
    write("2", "FAILURE", {"exc_message": ["refuses the key"]})
    assert seen.look() == ["the sync failed: refuses the key"]
    write("3", "FAILURE", {"exc_message": ["refuses the key"]})
    assert seen.look() == []
    write("4", "SUCCESS", {"published": 2, "failed": {}})
    write("5", "FAILURE", {"exc_message": ["refuses the key"]})
    assert seen.look() == ["the sync failed: refuses the key"]


def test_a_sync_that_is_tried_again_is_told_of_and_what_became_of_it(troubles: tuple[SyncMonitor, Write]) -> None:
    seen, write = troubles
    write("1", "RETRY", {"exc_message": ["no answer"]})
    assert seen.look() == ["the sync is tried again: no answer"]
    write("1", "SUCCESS", {"published": 1, "failed": {"IBM": "is not known", "MSFT": "no"}})
    assert seen.look() == ["IBM, MSFT failed: is not known"]


def test_a_key_that_is_refused_is_told_of_though_nothing_failed(troubles: tuple[SyncMonitor, Write]) -> None:
    seen, write = troubles
    write("1", "SUCCESS", {"published": 2, "failed": {}, "rejected_keys": {"finnhub": "Finnhub rejected the key"}})
    assert seen.look() == ["Finnhub rejected the key"]


def test_other_tasks_are_not_ours(troubles: tuple[SyncMonitor, Write]) -> None:
    seen, write = troubles
    write("1", "FAILURE", {"exc_message": ["other"]}, name="other.task")
    assert seen.look() == []


def test_a_database_without_results_has_no_troubles(tmp_path: Path) -> None:
    assert SyncMonitor(parse_database_url(f"sqlite:///{tmp_path / 'none.db'}")).look() == []


def test_results_that_cannot_be_read_are_a_trouble_until_they_can(
    troubles: tuple[SyncMonitor, Write], tmp_path: Path
) -> None:
    seen, write = troubles
    results = tmp_path / "celery.db"
    results.rename(tmp_path / "aside.db")
    results.mkdir()
    [told] = seen.look()
    assert told.startswith("what becomes of the syncs is not known for now: database ")
    assert seen.look() == []
    results.rmdir()
    (tmp_path / "aside.db").rename(results)
    write("1", "FAILURE", {"exc_message": ["refuses the key"]})
    assert seen.look() == ["the sync failed: refuses the key"]


@pytest.mark.parametrize("result", [None, b"", b"{", b"[]", b"null", b'"text"'])
@pytest.mark.parametrize("status", ["SUCCESS", "FAILURE", "RETRY", "STARTED"])
def test_a_result_that_cannot_be_read_is_no_trouble(status: str, result: bytes | None) -> None:
    assert describe_result(status, result) == ""


def test_a_sync_that_a_limit_holds_back_has_not_failed() -> None:
    held = json.dumps({"exc_type": "RateLimited", "exc_message": ["S8, S9 left"]}).encode()
    assert describe_result("RETRY", held) == "the sync goes on when there is room: S8, S9 left"
    assert describe_result("FAILURE", held) == "the sync ends: S8, S9 left"
