"""The watch list: STOCKWIRE_SYMBOLS, and on top of it what was added and removed since.

Only the changes are kept, so that the setting may change under them: an addition or removal holds on every base.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Boolean, Column, Connection, Integer, Table, Text, delete, insert, select

from producer.state import FILE, metadata, open_state
from shared.database import reading
from shared.errors import SettingsError
from shared.settings import Settings

# `id` grows, and so keeps the order of adding.
watch_changes = Table(
    "watch_changes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("symbol", Text, nullable=False, unique=True),
    Column("added", Boolean, nullable=False),
)


@dataclass(frozen=True)
class WatchChanges:
    """What was added and what was removed, each in the order of doing so; no symbol is in both."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def apply(self, base: Sequence[str]) -> tuple[str, ...]:
        """`base` without the removed, and behind it the added."""
        watched = dict.fromkeys([*base, *self.added])
        for symbol in self.removed:
            watched.pop(symbol, None)
        return tuple(watched)


def watch_list(settings: Settings, folder: Path) -> tuple[str, ...]:
    """Whose prices to sync now, by these settings and the changes kept in `folder`, where no file is made.

    Raises SettingsError where everything that the setting names has been removed, and StorageError.
    """
    symbols = load_changes(folder).apply(settings.symbols)
    if not symbols:
        raise SettingsError(
            f"the watch list is empty: all of STOCKWIRE_SYMBOLS ({', '.join(settings.symbols)}) has been removed;"
            " add a symbol: ./stockwire watch add SYMBOL"
        )
    return symbols


def load_changes(folder: Path) -> WatchChanges:
    """The changes kept in `folder`, where no file is made. Raises StorageError."""
    if not (folder / FILE).exists():
        return WatchChanges()
    with open_state(folder) as engine, reading(engine) as connection:
        return read_changes(connection)


def read_changes(connection: Connection) -> WatchChanges:
    rows = connection.execute(select(watch_changes.c.symbol, watch_changes.c.added).order_by(watch_changes.c.id)).all()
    return WatchChanges(
        added=tuple(row.symbol for row in rows if row.added),
        removed=tuple(row.symbol for row in rows if not row.added),
    )


def add_symbol(connection: Connection, base: Sequence[str], symbol: str) -> bool:
    """Watch the symbol, in a writing transaction; False where it is on the list already."""
    if symbol in read_changes(connection).apply(base):
        return False
    _keep(connection, symbol, None if symbol in base else True)
    return True


def remove_symbol(connection: Connection, base: Sequence[str], symbol: str) -> bool:
    """Watch the symbol no more, in a writing transaction; False where it is not on the list.

    Raises SettingsError for the last one that is left.
    """
    watched = read_changes(connection).apply(base)
    if symbol not in watched:
        return False
    if len(watched) == 1:
        raise SettingsError("it is the last one on the watch list: add another one first")
    _keep(connection, symbol, False if symbol in base else None)
    return True


def _keep(connection: Connection, symbol: str, added: bool | None) -> None:
    """Note the symbol as added or removed; None means neither, which is as the setting has it."""
    connection.execute(delete(watch_changes).where(watch_changes.c.symbol == symbol))
    if added is not None:
        connection.execute(insert(watch_changes).values(symbol=symbol, added=added))
