"""The lock that one process holds while it sends, so that two alerts consumers do not send the same alert.

The system releases the lock when its holder ends, even by kill -9, so no other process waits for a lease to run out.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from shared.database.engine import reading, sqlite_file, translate_errors
from shared.locks import file_lock

# A lock belongs to the whole database of PostgreSQL, in which each schema may have tables of alerts.
_LOCK = text("SELECT pg_try_advisory_lock(hashtext('stockwire.alerts.sender.' || current_schema()))")


@contextmanager
def sender_lock(engine: Engine) -> Iterator[Callable[[], None] | None]:
    """Hold the lock of a database during the block.

    Yield a function that raises StorageError if the lock was lost, or None if another process has the lock.
    """
    if file := sqlite_file(engine.url):
        with file_lock(Path(f"{file}.sender.lock")) as is_held:
            yield (lambda: None) if is_held else None
        return
    # The lock belongs to the connection, which stays out of transactions.
    with reading(engine) as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        is_held = bool(connection.scalar(_LOCK))
        yield (lambda: _check(engine, connection)) if is_held else None


def _check(engine: Engine, connection: Connection) -> None:
    with translate_errors(engine.url):
        connection.execute(text("SELECT 1"))
