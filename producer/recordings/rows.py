"""A row of a file as exact values, or the reason why it is refused."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache, partial
from typing import NamedTuple

from producer.recordings.header import Columns
from producer.recordings.numbers import (
    read_optional_price,
    read_recorded_price,
    read_recorded_split,
    read_recorded_volume,
)
from producer.recordings.options import ReadingOptions, parse_bar_interval
from producer.recordings.text import describe_byte
from producer.recordings.times import make_time_reader
from shared.errors import InvalidEvent
from shared.events import CLOCK_TOLERANCE
from shared.events.currencies import read_currency
from shared.prices import drop_impossible
from shared.symbols import read_symbol

# Neighbouring rows share their times, symbols and many of their prices, so parsed values are cached.
_CACHE_SIZE = 1 << 14
# Longer text is not a value, and is not remembered, so that odd files cannot fill the memory.
MAX_VALUE = 100
# Unknown currencies that are named.
_MAX_UNKNOWN = 10
_VALUES = re.compile(r"'[^']*'|\"[^\"]*\"|[0-9]+")

Warn = Callable[[str], None]


class RecordedPrice(NamedTuple):
    """A recorded price: `as_of` in UTC, exact prices, and None for what the file does not say.

    With `interval` the price is the close of a bar of that length. `split` is the number of shares that one share has
    become on the day of the price.
    """

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
    interval: str | None = None
    split: Fraction | None = None


class InvalidRow(NamedTuple):
    """A row without a valid price: the number of its last line, and the reason."""

    line: int
    reason: str

    def kind(self) -> str:
        """Return the reason without its values, which rows with the same fault share."""
        return _VALUES.sub("…", self.reason)


class RowReader:
    """Reads rows; what it has read once, it remembers in small caches. `now` is the clock of the reader."""

    def __init__(self, options: ReadingOptions, *, decimal_comma: bool, now: datetime, warn: Warn) -> None:
        self._time = make_time_reader(options, _CACHE_SIZE)
        self._price = lru_cache(_CACHE_SIZE)(partial(read_recorded_price, decimal_comma=decimal_comma))
        self._optional = lru_cache(_CACHE_SIZE)(partial(read_optional_price, decimal_comma=decimal_comma))
        self._volume = partial(read_recorded_volume, decimal_comma=decimal_comma)
        self._split = lru_cache(_CACHE_SIZE)(partial(read_recorded_split, decimal_comma=decimal_comma))
        self._symbol = lru_cache(_CACHE_SIZE)(read_symbol)
        self._currency = lru_cache(_CACHE_SIZE)(read_currency)
        self._latest = now + CLOCK_TOLERANCE
        self._warn = warn
        self._unknown: set[str] = set()
        self._bad_splits = 0
        self._fixed_symbol = options.symbol
        self._interval = options.interval
        self._own_interval = lru_cache(_CACHE_SIZE)(_read_interval)
        self._encoding = options.encoding
        self.has_refused_a_byte = False

    def read(self, row: Sequence[str], columns: Columns, line: int) -> RecordedPrice | InvalidRow:
        """Return the price of a row, which must be as wide as the header, or the reason why it has none."""
        try:
            if self._fixed_symbol is not None and columns.symbol >= 0:
                self._check_own_symbol(row[columns.symbol])
            symbol = self._symbol(columns.symbol_text(row))
            as_of, interval = self._time(symbol, columns.time_text(row))
            if as_of > self._latest:
                return InvalidRow(line, f"time {columns.time_text(row)!r} is in the future")
            if columns.interval >= 0 and self._interval is None:
                interval = self._own_interval(row[columns.interval])
            price = self._read_price(row[columns.price], columns.price_name)
        except (ValueError, InvalidEvent) as error:
            return InvalidRow(line, self._explain(str(error), row, columns))
        open_ = self._read_optional(row, columns.open)
        high = self._read_optional(row, columns.high)
        low = self._read_optional(row, columns.low)
        if not (open_ is None and high is None and low is None):
            open_, high, low = drop_impossible(price, open_, high, low)
        return RecordedPrice(
            line,
            symbol,
            as_of,
            price,
            self._read_currency(row[columns.currency]) if columns.currency >= 0 else None,
            self._volume(row[columns.volume]) if columns.volume >= 0 else None,
            open_,
            high,
            low,
            self._read_optional(row, columns.previous_close),
            interval,
            self._read_split(row[columns.split], line) if columns.split >= 0 else None,
        )

    def _read_price(self, text: str, name: str) -> Decimal:
        try:
            return self._price(text)
        except ValueError as error:
            raise ValueError(f"{name} {error}") from error

    def _explain(self, reason: str, row: Sequence[str], columns: Columns) -> str:
        """Return the reason, or what is wrong with a byte of the values."""
        used = "".join(row[place] for place in (columns.symbol, columns.time, columns.price) if place >= 0)
        if (invalid := describe_byte(used, self._encoding)) is not None:
            self.has_refused_a_byte = True
            return invalid
        return "has zero bytes, so it is not text" if "\0" in used else reason

    def _check_own_symbol(self, text: str) -> None:
        """Raise ValueError if a row is of another symbol than --symbol; a company's name is not a symbol."""
        try:
            own = self._symbol(text.strip().removeprefix("'"))
        except InvalidEvent:
            return
        if own != self._fixed_symbol:
            raise ValueError(f"is of {own!r}, and not of --symbol {self._fixed_symbol!r}: select with --symbols")

    def _read_optional(self, row: Sequence[str], place: int) -> Decimal | None:
        return self._optional(row[place]) if place >= 0 and len(row[place]) <= MAX_VALUE else None

    def _read_split(self, text: str, line: int) -> Fraction | None:
        """Return the ratio of a split; one that cannot be read is named, and costs nothing else."""
        try:
            return self._split(text[:MAX_VALUE])
        except ValueError as error:
            self._bad_splits += 1
            if self._bad_splits <= _MAX_UNKNOWN:
                self._warn(f"line {line}: its price is read, but not its split: {error}")
            return None

    def _read_currency(self, text: str) -> str | None:
        code, is_unknown = self._currency(text[:MAX_VALUE])
        if is_unknown and text not in self._unknown and len(self._unknown) < _MAX_UNKNOWN:
            self._unknown.add(text)
            self._warn(f"currency {text.strip()[:40]!r} is unknown: its prices have no currency")
        return code


def _read_interval(text: str) -> str | None:
    """Return the interval of a bar, or None for a quote. Raises ValueError."""
    return parse_bar_interval(text) if text.strip() else None
