"""The databases with their sizes, and the deliveries of alerts."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlalchemy import text

from consumers.alerts.databases import open_stored_alerts
from consumers.alerts.notifications.deliveries import UNDELIVERED, Delivery, State, pending_deliveries
from consumers.alerts.notifications.target_store import read_targets
from consumers.alerts.notifications.targets import Target
from consumers.alerts.notifications.undelivered import count_deliveries
from consumers.web.health import DatabaseHealth, TargetHealth
from producer.state import FILE
from shared.database.engine import opened_for_reading, reading
from shared.database.sqlite.reading import database_exists
from shared.database.url import DatabaseUrl, sqlite_url
from shared.errors import StorageError
from shared.settings import Settings

# A SQLite database is the file and, while it is open, its WAL and the index of that.
_SUFFIXES = ("", "-wal", "-shm")


def read_databases(settings: Settings, folder: Path) -> list[DatabaseHealth]:
    """Return the databases of the settings, and that of the producer's state."""
    urls = {
        "history": settings.history_url,
        "alerts": settings.alerts_url,
        "results": settings.results_url,
        "producer": DatabaseUrl(sqlite_url(str(folder / FILE))),
    }
    return [_database(name, url) for name, url in urls.items()]


def read_targets_health(url: DatabaseUrl) -> list[TargetHealth]:
    """Return the targets of alerts in the database at `url`. Raises StorageError."""
    with open_stored_alerts(url) as engine:
        if engine is None:
            return []
        with reading(engine) as connection:
            counts = count_deliveries(connection)
            return [
                _target(target, pending_deliveries(connection, target.name, 1), counts)
                for target in read_targets(connection)
            ]


def _target(target: Target, oldest_pending: Sequence[Delivery], counts: Mapping[tuple[str, str], int]) -> TargetHealth:
    error = oldest_pending[0].last_error if oldest_pending else None
    return TargetHealth(
        name=target.name,
        address=target.address,
        state="disabled" if target.disabled_reason else "failing" if error else "enabled",
        reason=target.disabled_reason or error,
        pending=counts.get((target.name, State.PENDING), 0),
        given_up=sum(counts.get((target.name, state), 0) for state in UNDELIVERED),
    )


def _database(name: str, url: DatabaseUrl) -> DatabaseHealth:
    try:
        return DatabaseHealth(name, str(url), _size(url))
    except StorageError as error:
        return DatabaseHealth(name, str(url), None, str(error))


def _size(url: DatabaseUrl) -> int | None:
    """Return the bytes of a database, or None if there is none yet. Raises StorageError."""
    file = url.sqlite_file
    if file is not None:
        return _file_size(file) if database_exists(file) else None
    if url.is_in_memory:
        return None
    with opened_for_reading(url.engine_url) as engine, reading(engine) as connection:
        if engine.dialect.name != "postgresql":
            return None
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())


def _file_size(file: Path) -> int:
    total = 0
    for suffix in _SUFFIXES:
        try:
            total += file.with_name(file.name + suffix).stat().st_size
        except FileNotFoundError:
            # The WAL is removed if the last connection closes.
            continue
    return total
