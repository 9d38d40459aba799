"""The watch list: STOCKWIRE_SYMBOLS with the symbols added and removed since.

Only the changes are stored, so they still apply when the setting changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Boolean, Column, Connection, Integer, Table, Text, bindparam, delete, insert, select

from producer.state import metadata, open_state_for_reading
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
    with open_state_for_reading(folder, watch_changes) as connection:
        return read_changes(connection) if connection else WatchChanges()


def read_changes(connection: Connection) -> WatchChanges:
    """Read the changes on an open connection."""
    rows = connection.execute(select(watch_changes.c.symbol, watch_changes.c.added).order_by(watch_changes.c.id)).all()
    return WatchChanges(
        added=tuple(row.symbol for row in rows if row.added),
        removed=tuple(row.symbol for row in rows if not row.added),
    )


class WatchListEditor:
    """Changes the watch list in a writing transaction. The changes are stored by `save`, all together."""

    def __init__(self, connection: Connection, base: Sequence[str]) -> None:
        self._connection = connection
        self._base = frozenset(base)
        self._watched = dict.fromkeys(read_changes(connection).apply(base))
        # True for an added symbol, False for a removed one, None for one that is as in the setting again.
        self._changes: dict[str, bool | None] = {}

    def add(self, symbol: str) -> bool:
        """Add the symbol. Return False if it is already on the watch list."""
        if symbol in self._watched:
            return False
        self._watched[symbol] = None
        self._change(symbol, None if symbol in self._base else True)
        return True

    def remove(self, symbol: str) -> bool:
        """Remove the symbol. Return False if it is not on the watch list. Raises SettingsError for the last symbol."""
        if symbol not in self._watched:
            return False
        if len(self._watched) == 1:
            raise SettingsError("it is the last symbol on the watch list: add another one first")
        del self._watched[symbol]
        self._change(symbol, False if symbol in self._base else None)
        return True

    def save(self) -> None:
        """Store the changes."""
        of_symbol = watch_changes.c.symbol == bindparam("changed")
        changed = [{"changed": symbol} for symbol in self._changes]
        stored = [{"symbol": symbol, "added": added} for symbol, added in self._changes.items() if added is not None]
        if changed:
            self._connection.execute(delete(watch_changes).where(of_symbol), changed)
        if stored:
            self._connection.execute(insert(watch_changes), stored)
        self._changes.clear()

    def _change(self, symbol: str, added: bool | None) -> None:
        # The last change of a symbol decides its place.
        self._changes.pop(symbol, None)
        self._changes[symbol] = added
