"""A progress bar for rows that are read: the part of the time that they have passed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from consumers.history.queries.symbols import latest_prices
from consumers.history.reading import Follow, pass_on
from shared.cli.progress import ProgressBar, progress_bar
from shared.database.reader import Reader
from shared.times import to_micros

_ROWS_PER_STEP = 2_000


@contextmanager
def following(reader: Reader, symbols: Sequence[str], until: datetime | None, *, shown: bool) -> Iterator[Follow]:
    """Show a bar for the block, if it is to be shown and stderr is a terminal. Counting the rows would take as long."""
    if not shown:
        yield pass_on
        return
    ends = {row.symbol: row.as_of if until is None else min(row.as_of, until) for row in latest_prices(reader, symbols)}
    with progress_bar("reading", len(symbols)) as bar:
        yield _Follower(bar, [to_micros(ends[each]) if each in ends else 0 for each in symbols]).follow


class _Follower:
    """Sets the bar to the number of symbols that are done, and the part of the time of the one that is read."""

    def __init__(self, bar: ProgressBar, ends: Sequence[int]) -> None:
        self._bar = bar
        self._ends = ends

    def follow(self, number: int, rows: Iterator[Any], place: int) -> Iterator[Any]:
        first = None
        for count, row in enumerate(rows):
            if count % _ROWS_PER_STEP == 0:
                at = row[place]
                first = at if first is None else first
                whole = max(1, self._ends[number] - first)
                self._bar.set(number + min(1.0, (at - first) / whole))
            yield row
        self._bar.set(number + 1)
