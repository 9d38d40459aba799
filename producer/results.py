"""Celery's result backend with a thread that writes, so that a locked database does not keep a sync waiting."""

import copy
import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from celery.backends.database import DatabaseBackend
from sqlalchemy import Engine, event
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError

from shared.backoff import Backoff
from shared.database.sqlite.errors import first_line

log = logging.getLogger(__name__)

# Seconds that a task waits for its result to be stored. After that it ends, and the thread goes on trying.
WAIT = 0.5
# Seconds that a process which ends waits for the results that are left.
FLUSH = 3.0
# Results that may wait for the database at once.
MAX_PENDING = 1000

_Write = Callable[[], object]


class ResultWriter:
    """Writes results one after the other, and tries each until the database takes it."""

    def __init__(self, after_failure: Callable[[Exception], None]) -> None:
        self._after_failure = after_failure
        self._pending: queue.Queue[tuple[_Write, threading.Event]] = queue.Queue(MAX_PENDING)
        self._failing = False
        threading.Thread(target=self._run, name="results", daemon=True).start()

    def write(self, write: _Write, wait: float = WAIT) -> None:
        """Have a result written, and return when it is stored, but after `wait` seconds at the latest."""
        stored = threading.Event()
        try:
            self._pending.put_nowait((write, stored))
        except queue.Full:
            log.error("a result is lost: %d others wait for the database of results", MAX_PENDING)
        else:
            stored.wait(wait)

    def flush(self) -> None:
        """Wait until all results are stored, but at most FLUSH seconds, and log how many are lost."""
        deadline = time.monotonic() + FLUSH
        while self._pending.unfinished_tasks and time.monotonic() < deadline:
            time.sleep(0.02)
        if lost := self._pending.unfinished_tasks:
            log.error("%d results are lost: the database of results did not take them", lost)

    def _run(self) -> None:
        while True:
            write, stored = self._pending.get()
            self._write_until_stored(write)
            stored.set()
            self._pending.task_done()

    def _write_until_stored(self, write: _Write) -> None:
        backoff = Backoff(first=0.1, cap=2.0)
        while not self._try(write):
            time.sleep(backoff.next_delay())

    def _try(self, write: _Write) -> bool:
        """Return False if the write has to be tried again."""
        try:
            write()
        # The thread must outlive a result that Celery or the database cannot take.
        except Exception as error:  # noqa: BLE001
            self._after_failure(error)
            if not is_transient(error):
                log.error("a result cannot be stored: %s", first_line(error))
                return True
            if not self._failing:
                log.warning("results cannot be stored yet: %s", first_line(error))
            self._failing = True
            return False
        if self._failing:
            log.info("results are stored again")
        self._failing = False
        return True


def is_transient(error: Exception) -> bool:
    """Return True if the fault lies with the database, which may be free or whole later, and not with the result."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    # Data that a database rejects is of another class below DatabaseError.
    return isinstance(error, OperationalError) or type(error) is DatabaseError


class BackgroundResults(DatabaseBackend):  # type: ignore[misc]
    """Stores results in order, each before its task ends if the database is free."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"engine_callback": use_wal, **kwargs})
        # A thread does not survive a fork, so each process has a writer of its own.
        self._writers: dict[int, ResultWriter] = {}

    def store_result(
        self, task_id: str, result: Any, state: str, traceback: Any = None, request: Any = None, **_: Any
    ) -> Any:
        encoded = self.encode_result(result, state)
        # Celery empties the request when its task has ended.
        self._writer.write(partial(self._store, task_id, encoded, state, traceback, copy.copy(request)))
        return encoded

    def cleanup(self) -> None:
        """Remove expired results when all results before are stored."""
        self._writer.write(self._cleanup, wait=0)

    def flush(self) -> None:
        """Wait for the results of this process that are not stored yet, before it ends."""
        if writer := self._writers.get(os.getpid()):
            writer.flush()

    @property
    def _writer(self) -> ResultWriter:
        if os.getpid() not in self._writers:
            self._writers[os.getpid()] = ResultWriter(self._forget_connection)
        return self._writers[os.getpid()]

    def _store(self, task_id: str, result: Any, state: str, traceback: Any, request: Any) -> None:
        self._store_result(task_id, result, state, traceback, request=request)
        if self.url.startswith("sqlite"):
            # The next write opens the file again, in case it was removed or replaced.
            self.session_manager.invalidate(self.url)

    def _forget_connection(self, error: Exception) -> None:
        self.on_backend_retryable_error(error)
        # The tables are created again if the file is a new one.
        self.session_manager.prepared = False


def use_wal(engine: Engine) -> None:
    """Let readers of the results, such as `up`, never block the writer."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA journal_mode=WAL"))
