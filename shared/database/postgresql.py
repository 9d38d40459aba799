"""PostgreSQL: limits of its connections, and its errors as storage errors."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, OperationalError

from shared.database.sqlite.errors import first_line
from shared.errors import StorageError, StorageLocked, StorageUnavailable

# A server whose machine or network is gone answers nothing, so that a statement would wait for ever. In seconds, except
# `tcp_user_timeout` in milliseconds and a number of keepalives. Parameters of libpq, which a URL may have as well.
# Source: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
_LIMITS = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_DRIVERS_ON_LIBPQ = ("psycopg", "psycopg2")

# Codes of errors. Source: https://www.postgresql.org/docs/current/errcodes-appendix.html
_LOCK_NOT_AVAILABLE = "55P03"
_INSUFFICIENT_PRIVILEGE = "42501"
# Errors that pass: the class of insufficient resources, a server that became a standby, and conflicts of transactions.
_INSUFFICIENT_RESOURCES = "53"
_TRANSIENT = ("25006", "40001", "40P01", "57014")


def connect_arguments(url: URL) -> dict[str, int]:
    """Return the limits of a connection that the URL does not set itself."""
    if url.get_driver_name() not in _DRIVERS_ON_LIBPQ:
        return {}
    return {name: limit for name, limit in _LIMITS.items() if name not in url.query}


def limit_waits_for_locks(connection: Any, seconds: float) -> None:
    """Let no statement of a connection wait longer for a lock. It would wait forever, and ignore a request to stop."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '{seconds:g}s'")
    connection.commit()


def explain_postgresql_error(error: DBAPIError, database: str) -> StorageError:
    """Return the storage error that tells a user what is wrong with `database`, and what to do."""
    reason = first_line(error.orig)
    code = _code(error)
    if code == _LOCK_NOT_AVAILABLE:
        return StorageLocked(f"database {database} cannot be written for now: {reason}")
    if code == _INSUFFICIENT_PRIVILEGE:
        return StorageError(
            f"database {database}: {reason}; as the owner of the database, grant the right to this user (GRANT ...)"
        )
    if code.startswith(_INSUFFICIENT_RESOURCES) or code in _TRANSIENT:
        return StorageUnavailable(f"database {database} cannot be written for now: {reason}")
    if isinstance(error, OperationalError) or error.connection_invalidated:
        return StorageUnavailable(f"database {database} does not answer: {reason}")
    return StorageError(f"database {database}: {reason}")


def reading_options() -> Mapping[str, Any]:
    """Return the options of a transaction that sees the database as of its first statement, and changes nothing."""
    return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


def _code(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None) or ""
