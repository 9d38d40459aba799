"""The watch list: STOCKWIRE_SYMBOLS with the symbols added and removed since.

Only the changes are stored, so they still apply when the setting changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Boolean, Column, Connection, Integer, Table, Text, delete, insert, select

from producer.state import FILE, metadata, open_state
from shared.database import reading
from shared.errors import SettingsError
from shared.settings import Settings

# The growing `id` keeps the order of adding.
watch_changes = Table(
    "watch_changes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("symbol", Text, nullable=False, unique=True),
    Column("added", Boolean, nullable=False),
)


@dataclass(frozen=True)
class WatchChanges:
    """The added and the removed symbols, each in the order of the changes; no symbol is in both."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def apply(self, base: Sequence[str]) -> tuple[str, ...]:
        """Return `base` without the removed symbols, followed by the added ones."""
        watched = dict.fromkeys([*base, *self.added])
        for symbol in self.removed:
            watched.pop(symbol, None)
        return tuple(watched)


def watch_list(settings: Settings, folder: Path) -> tuple[str, ...]:
    """Return the symbols to sync. Creates no file.

    Raises SettingsError if every symbol has been removed, and StorageError.
    """
    symbols = load_changes(folder).apply(settings.symbols)
    if not symbols:
        raise SettingsError(
            f"the watch list is empty: all of STOCKWIRE_SYMBOLS ({', '.join(settings.symbols)}) has been removed;"
            " run ./stockwire watch add SYMBOL"
        )
    return symbols


def load_changes(folder: Path) -> WatchChanges:
    """Read the changes kept in `folder`. Creates no file. Raises StorageError."""
    if not (folder / FILE).exists():
        return WatchChanges()
    with open_state(folder) as engine, reading(engine) as connection:
        return read_changes(connection)


def read_changes(connection: Connection) -> WatchChanges:
    """Read the changes on an open connection."""
    rows = connection.execute(select(watch_changes.c.symbol, watch_changes.c.added).order_by(watch_changes.c.id)).all()
    return WatchChanges(
        added=tuple(row.symbol for row in rows if row.added),
        removed=tuple(row.symbol for row in rows if not row.added),
    )


def add_symbol(connection: Connection, base: Sequence[str], symbol: str) -> bool:
    """Add the symbol, in a writing transaction. Return False if it is already on the watch list."""
    if symbol in read_changes(connection).apply(base):
        return False
    _save_change(connection, symbol, None if symbol in base else True)
    return True


def remove_symbol(connection: Connection, base: Sequence[str], symbol: str) -> bool:
    """Remove the symbol, in a writing transaction. Return False if it is not on the watch list.

    Raises SettingsError for the last symbol.
    """
    watched = read_changes(connection).apply(base)
    if symbol not in watched:
        return False
    if len(watched) == 1:
        raise SettingsError("it is the last symbol on the watch list: add another one first")
    _save_change(connection, symbol, False if symbol in base else None)
    return True


def _save_change(connection: Connection, symbol: str, added: bool | None) -> None:
    """Save the symbol as added or removed; None goes back to the setting."""
    connection.execute(delete(watch_changes).where(watch_changes.c.symbol == symbol))
    if added is not None:
        connection.execute(insert(watch_changes).values(symbol=symbol, added=added))
