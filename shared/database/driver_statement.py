"""Statements for SQLite that bypass SQLAlchemy, which takes longer for a statement than SQLite for a row.

Their errors are those of the driver; `shared.database.engine` explains both kinds.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ClauseElement, Connection, Dialect


class DriverStatement:
    """A statement that is compiled once. `names` are its parameters in the order in which the statement has them."""

    def __init__(self, statement: ClauseElement, dialect: Dialect, names: Sequence[str]) -> None:
        self._sql = str(statement.compile(dialect=dialect))
        self._names = () if dialect.name == "sqlite" else tuple(names)

    def run(self, connection: Connection, rows: list[tuple[Any, ...]]) -> None:
        """Run the statement with the values of each row, of which there is at least one."""
        if self._names:
            connection.exec_driver_sql(self._sql, [dict(zip(self._names, row, strict=True)) for row in rows])
        else:
            driver_connection(connection).executemany(self._sql, rows)


def driver_connection(connection: Connection) -> Any:
    return connection.connection.driver_connection
