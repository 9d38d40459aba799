"""A statement that the driver gets as text: SQLAlchemy takes longer for its parameters than SQLite for a row."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ClauseElement, Connection, Dialect


class DriverStatement:
    """A statement that is compiled once. `names` are its parameters in the order in which the statement has them."""

    def __init__(self, statement: ClauseElement, dialect: Dialect, names: Sequence[str]) -> None:
        self._sql = str(statement.compile(dialect=dialect))
        self._names = () if dialect.positional else tuple(names)

    def run(self, connection: Connection, rows: list[tuple[Any, ...]]) -> None:
        """Run the statement with the values of each row, of which there is at least one."""
        parameters: Any = rows
        if self._names:
            parameters = [dict(zip(self._names, row, strict=True)) for row in rows]
        connection.exec_driver_sql(self._sql, parameters)
