"""Recorded prices from a CSV file, plain or gzip, row by row; invalid rows are reported and skipped."""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

from shared.errors import InvalidEvent, SettingsError
from shared.events import CLOCK_TOLERANCE
from shared.events.currencies import is_currency
from shared.prices import read_price
from shared.symbols import check_symbol
from shared.times import utc_now

_TIME_COLUMNS = ("as_of", "timestamp", "datetime", "time", "date")
_PRICE_COLUMNS = ("price", "close")
_OPTIONAL_PRICES = ("open", "high", "low", "previous_close")
_WHOLE = re.compile(r"([0-9]{1,18})(?:\.0*)?")

# Neighbouring rows share their times, symbols and many of their prices, so parsed values are cached.
_CACHE_SIZE = 1 << 16


class RecordedPrice(NamedTuple):
    """A recorded price: `as_of` in UTC, exact prices, and None for columns that the file does not have."""

    line: int
    symbol: str
    as_of: datetime
    price: Decimal
    currency: str | None
    volume: int | None
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    previous_close: Decimal | None


class InvalidRow(NamedTuple):
    """A row without a valid price: the number of its last line, and the reason."""

    line: int
    reason: str


class Recording:
    """An open file of recorded prices, to be read once and used as a context manager.

    Columns, in any order and any case: `symbol`; `price` or `close`; one of `as_of`, `timestamp`, `datetime`, `time`
    and `date`, or `date` and `time` together. A date alone is midnight, and a time without an offset is UTC. Optional
    columns are `open`, `high`, `low`, `previous_close`, `volume` and `currency`. Other columns are ignored.
    """

    def __init__(self, path: Path) -> None:
        """Open the file. Raises SettingsError if this fails, or if a column is missing."""
        self.path = path
        self._closing = ExitStack()
        try:
            self._raw = self._closing.enter_context(path.open("rb"))
            self.size = path.stat().st_size
            text = self._closing.enter_context(_as_text(self._raw, path))
            self._unclosed = False
            self._reader = csv.reader(self._blank_unclosed_quotes(text))
        except OSError as error:
            self._closing.close()
            raise SettingsError(f"{path} cannot be read: {error.strerror or error}") from error
        try:
            self._columns = _find_columns(self._next_row() or [], path)
        except BaseException:
            self._closing.close()
            raise

    @property
    def position(self) -> int:
        """Return the number of bytes that have been read, of `size`."""
        return self._raw.tell()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def rows(self, wanted: Callable[[str, str], bool] | None = None) -> Iterator[RecordedPrice | InvalidRow]:
        """Yield every row, or those for which `wanted` returns True, given symbol and time as written in the file.

        Raises SettingsError if the file is truncated, damaged, or not gzip.
        """
        columns, now = self._columns, utc_now()
        while True:
            try:
                row = self._next_row()
            except csv.Error as error:
                yield InvalidRow(self._reader.line_num, str(error))
                continue
            if row is None:
                return
            if self._unclosed:
                self._unclosed = False
                yield InvalidRow(self._reader.line_num, "has a quote that is not closed")
            elif not row:
                continue
            elif len(row) != columns.width:
                reason = f"has {len(row)} fields, the header has {columns.width}"
                yield InvalidRow(self._reader.line_num, reason)
            elif wanted is None or wanted(columns.symbol_text(row), columns.time_text(row)):
                yield _read_row(row, columns, self._reader.line_num, now)

    def _blank_unclosed_quotes(self, lines: Iterable[str]) -> Iterator[str]:
        """Yield the lines, blank if a quote is not closed: such a quote would swallow all rows up to the next quote."""
        for line in lines:
            self._unclosed = line.count('"') % 2 == 1
            yield "\n" if self._unclosed else line

    def _next_row(self) -> list[str] | None:
        try:
            return next(self._reader, None)
        except EOFError as error:
            raise SettingsError(f"{self.path} is cut off after line {self._reader.line_num}") from error
        except gzip.BadGzipFile as error:
            raise SettingsError(f"{self.path} is not a gzip file") from error
        except (zlib.error, OSError) as error:
            raise SettingsError(f"{self.path} is damaged after line {self._reader.line_num}: {error}") from error


class _Columns(NamedTuple):
    """The position of each column in a row; -1 for a column that the file does not have."""

    width: int
    symbol: int
    price: int
    price_name: str
    time: int
    date: int
    currency: int
    volume: int
    optional: tuple[tuple[int, str], ...]

    def symbol_text(self, row: Sequence[str]) -> str:
        """Return the symbol without the ' that marks text in a spreadsheet, which our CSV has before = + - @."""
        return row[self.symbol].strip().removeprefix("'")

    def time_text(self, row: Sequence[str]) -> str:
        return row[self.time] if self.date < 0 else f"{row[self.date].strip()}T{row[self.time].strip()}"


def read_time(text: str) -> datetime:
    """Parse an ISO 8601 date or time as UTC. A date is midnight, and no offset means UTC. Raises ValueError."""
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"time {text[:40]!r} is not a date or time such as 2026-11-20 or 2026-11-20T09:30Z") from error


_time = lru_cache(_CACHE_SIZE)(read_time)
_price = lru_cache(_CACHE_SIZE)(read_price)
_symbol = lru_cache(_CACHE_SIZE)(check_symbol)


def _as_text(raw: BinaryIO, path: Path) -> io.TextIOWrapper:
    """Decode as UTF-8. A byte order mark is skipped, and an invalid byte spoils only its own field."""
    file = gzip.GzipFile(fileobj=raw) if path.suffix.lower() == ".gz" else raw
    return io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")


def _find_columns(header: Sequence[str], path: Path) -> _Columns:
    if not "".join(header).isprintable():
        raise SettingsError(f"{path} is not UTF-8 text")
    places = {name.strip().lower(): place for place, name in enumerate(header)}
    time = next((name for name in _TIME_COLUMNS if name in places), None)
    price = next((name for name in _PRICE_COLUMNS if name in places), None)
    if "symbol" not in places or time is None or price is None:
        found = ", ".join(name[:20] for name in header[:12]) or "nothing"
        raise SettingsError(
            f"{path} needs the columns symbol, price (or close) and date (or time, as_of); its first line has: {found}"
        )
    return _Columns(
        width=len(header),
        symbol=places["symbol"],
        price=places[price],
        price_name=price,
        time=places[time],
        date=places.get("date", -1) if time == "time" else -1,
        currency=places.get("currency", -1),
        volume=places.get("volume", -1),
        optional=tuple((places.get(name, -1), name) for name in _OPTIONAL_PRICES),
    )


def _read_row(row: Sequence[str], columns: _Columns, line: int, now: datetime) -> RecordedPrice | InvalidRow:
    try:
        as_of = _time(columns.time_text(row))
        if as_of - now > CLOCK_TOLERANCE:
            return InvalidRow(line, f"time {columns.time_text(row)!r} is in the future")
        return RecordedPrice(
            line,
            _symbol(columns.symbol_text(row)),
            as_of,
            _read_price(row[columns.price], columns.price_name),
            _read_currency(row[columns.currency]) if columns.currency >= 0 else None,
            _read_volume(row[columns.volume]) if columns.volume >= 0 else None,
            *[_read_price(row[place], name) if place >= 0 and row[place] else None for place, name in columns.optional],
        )
    except (ValueError, InvalidEvent) as error:
        return InvalidRow(line, str(error))


def _read_price(text: str, name: str) -> Decimal:
    try:
        return _price(text)
    except ValueError as error:
        raise ValueError(f"{name} {error}" if text.strip() else f"{name} is missing") from error


def _read_currency(text: str) -> str | None:
    currency = text.strip().upper()
    if currency and not is_currency(currency):
        raise ValueError(f"currency {text[:40]!r} is not three letters (ISO 4217)")
    return currency or None


def _read_volume(text: str) -> int | None:
    text = text.strip()
    if not text:
        return None
    match = _WHOLE.fullmatch(text)
    if not match:
        raise ValueError(f"volume {text[:40]!r} is not a whole number")
    return int(match[1])
