"""Removal of old prices from the history, in short transactions between which the consumer stores its batches."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, Engine, Table, delete, exists, func, select

from consumers.history.tables import bar, quote, series
from shared.database.engine import reading, writing
from shared.times import to_micros

# Rows that one transaction removes: some milliseconds of work, for which the consumer's next batch may have to wait.
PIECE = 2000


class OldSeries(NamedTuple):
    """A series with rows to remove. `interval` is the length of its bars, and empty for quotes."""

    id: int
    symbol: str
    provider: str
    interval: str

    @property
    def table(self) -> Table:
        return bar if self.interval else quote


class Pruning:
    """The removal of the quotes, and of the bars if asked for, with `as_of` before an instant.

    `removed` counts the removed rows by series. A series stays when it is empty, because running consumers know its id.
    """

    def __init__(
        self, engine: Engine, before: datetime, symbols: Collection[str] = (), *, includes_bars: bool = False
    ) -> None:
        """Find the series with such rows, of some symbols if given. Raises StorageError."""
        self._engine = engine
        self._before = to_micros(before)
        with reading(engine) as connection:
            self._left = _find_series(connection, self._before, symbols, includes_bars=includes_bars)
        self.removed: Counter[OldSeries] = Counter()

    def count(self) -> Counter[OldSeries]:
        """Return the number of rows to remove, by series."""
        with reading(self._engine) as connection:
            return Counter({each: _count(connection, each, self._before) for each in self._left})

    def step(self) -> bool:
        """Remove one piece in a transaction. Return False if nothing is left. Raises StorageError."""
        if not self._left:
            return False
        done: Counter[OldSeries] = Counter()
        ends: dict[OldSeries, int] = {}

        def read_back(connection: Connection) -> bool:
            return not any(_count(connection, each, end) for each, end in ends.items())

        with writing(self._engine, read_back) as connection:
            for each in self._left:
                ends[each], done[each] = _remove_oldest(connection, each, self._before, PIECE - done.total())
                if done.total() >= PIECE:
                    break
        # After the commit: a failed transaction has removed nothing. The last of these series may have more rows.
        finished = len(ends) - (done.total() >= PIECE)
        self._left = self._left[finished:]
        self.removed += done
        return bool(self._left)


def _find_series(
    connection: Connection, before: int, symbols: Collection[str], *, includes_bars: bool
) -> Sequence[OldSeries]:
    found: list[OldSeries] = []
    for table in (quote, bar) if includes_bars else (quote,):
        has_old_rows = exists().where(table.c.series_id == series.c.id, table.c.as_of < before)
        query = select(series.c.id, series.c.symbol, series.c.provider, series.c.interval).where(has_old_rows)
        if symbols:
            query = query.where(series.c.symbol.in_(symbols))
        found += (OldSeries(*row) for row in connection.execute(query))
    return sorted(found, key=lambda each: (each.symbol, each.provider, each.interval))


def _count(connection: Connection, old: OldSeries, before: int) -> int:
    table = old.table
    query = select(func.count()).select_from(table).where(table.c.series_id == old.id, table.c.as_of < before)
    return connection.scalar(query) or 0


def _remove_oldest(connection: Connection, old: OldSeries, before: int, limit: int) -> tuple[int, int]:
    """Remove at most `limit` rows. Return the time before which no row is left, and their number."""
    table = old.table
    rows = (table.c.series_id == old.id, table.c.as_of < before)
    last = connection.scalar(select(table.c.as_of).where(*rows).order_by(table.c.as_of).offset(limit - 1).limit(1))
    end = before if last is None else last + 1
    statement = delete(table).where(table.c.series_id == old.id, table.c.as_of < end)
    return end, connection.execute(statement).rowcount
