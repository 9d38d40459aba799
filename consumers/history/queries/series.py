"""The stored series, and their rows as the database has them: floats, and times in microseconds since 1970 (UTC)."""

from collections.abc import Collection, Iterator
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

from shared.database.reader import Reader
from shared.times import to_micros

_ROWS_PER_PART = 10_000

_SERIES = "SELECT id, symbol, provider, interval, bar_offset, currency FROM series"


class Series(NamedTuple):
    """A stored series: the quotes of a symbol from one provider, or its bars of one length, which is `interval`.

    `bar_offset` is the time in microseconds from the start of a bar to its `as_of`.
    """

    id: int
    symbol: str
    provider: str
    interval: str
    bar_offset: int
    currency: str | None


class TimeRange(NamedTuple):
    """The time from `first` to before `end`, in microseconds since 1970; None is open."""

    first: int | None = None
    end: int | None = None

    @classmethod
    def between(cls, since: datetime | None, until: datetime | None) -> "TimeRange":
        return cls(None if since is None else to_micros(since), None if until is None else to_micros(until))


def find_series(
    reader: Reader, symbol: str, providers: Collection[str] | None = None, interval: str | None = None
) -> list[Series]:
    """Return the series of a symbol: of some providers, of bars of one length, or of quotes if `interval` is empty."""
    found = [Series(*row) for row in reader.select(f"{_SERIES} WHERE symbol = :symbol", {"symbol": symbol})]
    return [
        each
        for each in found
        if (providers is None or each.provider in providers) and interval in (None, each.interval)
    ]


def read_rows(
    reader: Reader,
    sql: str,
    stored: Series,
    time_range: TimeRange,
    *,
    descending: bool = False,
    most: int | None = None,
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of `read_parts`, one by one."""
    return chain.from_iterable(read_parts(reader, sql, stored, time_range, descending=descending, most=most))


def read_parts(
    reader: Reader,
    sql: str,
    stored: Series,
    time_range: TimeRange,
    *,
    descending: bool = False,
    most: int | None = None,
) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows of a series in the range by `as_of`, which is their first column, in parts.

    So a reader who takes them slowly, such as a pager, does not keep SQLite from shortening its WAL. `most` is the
    number of rows that are wanted, if it is known.
    """
    first, end = time_range
    direction = "DESC" if descending else "ASC"
    size = _ROWS_PER_PART if most is None else min(most, _ROWS_PER_PART)
    while True:
        part = sql if first is None else f"{sql} AND as_of >= :first"
        if end is not None:
            part += " AND as_of < :end"
        parameters = {"series_id": stored.id, "first": first, "end": end, "rows": size}
        rows = list(reader.select(f"{part} ORDER BY as_of {direction} LIMIT :rows", parameters))
        if rows:
            yield rows
        if len(rows) < size:
            return
        if descending:
            end = rows[-1][0]
        else:
            first = rows[-1][0] + 1
