"""Results of syncs on real SQLite files that are free, locked, removed, and free again."""

import contextlib
import logging
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, states

from producer.results import MAX_PENDING, BackgroundResults
from tests.polling import eventually


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "celery.db"


@pytest.fixture
def backend(path: Path) -> BackgroundResults:
    app = Celery("test", set_as_current=False)
    app.conf.update(result_serializer="json", result_extended=True)
    return BackgroundResults(app=app, url=f"sqlite:///{path}")


def stored(path: Path) -> list[tuple[str, str]]:
    with contextlib.closing(sqlite3.connect(path)) as database, contextlib.suppress(sqlite3.OperationalError):
        return database.execute("SELECT task_id, status FROM celery_taskmeta ORDER BY id").fetchall()
    return []


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        yield
        database.execute("ROLLBACK")


def test_a_result_is_stored_when_its_task_ends(backend: BackgroundResults, path: Path) -> None:
    for number in range(3):
        backend.store_result(str(number), {"published": number}, states.SUCCESS)
        assert stored(path)[-1] == (str(number), states.SUCCESS)
    assert backend.get_result("2") == {"published": 2}


def test_a_locked_database_keeps_nobody_waiting_and_gets_all_results_in_order(
    backend: BackgroundResults, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    backend.store_result("before", {}, states.SUCCESS)
    began = time.monotonic()
    with locked(path):
        for number in range(4):
            backend.store_result(str(number), {}, states.SUCCESS)
        backend.cleanup()
        assert time.monotonic() - began < 4
        assert len(stored(path)) == 1
    eventually(lambda: len(stored(path)) == 5)
    assert [task for task, _ in stored(path)] == ["before", "0", "1", "2", "3"]


def test_a_result_keeps_the_request_of_its_task(backend: BackgroundResults, path: Path) -> None:
    class Request:
        task, args, kwargs, hostname, retries = "producer.sync", [], {}, "here", 0
        delivery_info: dict[str, Any] = {}  # noqa: RUF012

    backend.store_result("first", {}, states.SUCCESS)
    request = Request()
    with locked(path):
        backend.store_result("second", {}, states.SUCCESS, request=request)
        vars(request).clear()
    eventually(lambda: len(stored(path)) == 2)
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT name FROM celery_taskmeta ORDER BY id").fetchall()[1] == ("producer.sync",)


def test_a_removed_database_is_made_again(backend: BackgroundResults, path: Path) -> None:
    backend.store_result("first", {}, states.SUCCESS)
    for file in path.parent.glob("celery.db*"):
        file.unlink()
    backend.store_result("second", {}, states.SUCCESS)
    eventually(lambda: stored(path) == [("second", states.SUCCESS)])


def test_a_process_that_ends_waits_for_its_results(backend: BackgroundResults, path: Path) -> None:
    backend.store_result("before", {}, states.SUCCESS)
    with locked(path):
        backend.store_result("during", {}, states.SUCCESS)
    backend.flush()
    assert len(stored(path)) == 2


def test_results_that_are_lost_are_counted_in_the_log(
    backend: BackgroundResults, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("producer.results.FLUSH", 0.1)
    backend.store_result("before", {}, states.SUCCESS)
    with locked(path):
        backend.store_result("during", {}, states.SUCCESS)
        backend.flush()
        assert "1 results are lost: the database of results did not take them" in caplog.text
        for _ in range(MAX_PENDING + 1):
            backend._writer.write(lambda: None, wait=0)
        assert "a result is lost" in caplog.text


def test_a_result_that_cannot_be_written_does_not_hold_up_the_next(
    backend: BackgroundResults, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        backend.store_result("bad", {"text": "\ud800"}, states.SUCCESS, traceback=object())
        backend.store_result("good", {}, states.SUCCESS)
    assert ("good", states.SUCCESS) in stored(path)
    assert "a result cannot be stored: " in caplog.text
    assert len(caplog.records[0].getMessage().splitlines()) == 1
