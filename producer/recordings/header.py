"""The columns of a file: from the names in its header, or from --columns. Nothing here does I/O.

A HeaderError says what is missing and the option that gives it; the caller puts the file's name in front.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from producer.recordings.options import ReadingOptions
from shared.errors import SettingsError

# Names of each field in a header, best first, as `normalize` writes them. An adjusted close is not a price.
NAMES: Mapping[str, tuple[str, ...]] = {
    "symbol": ("symbol", "ticker", "name"),
    "price": ("close", "close/last", "last", "price"),
    "time": ("as_of", "timestamp", "datetime", "date_time", "window_start", "open_time", "time"),
    "date": ("date",),
    "currency": ("currency",),
    "volume": ("volume", "vol"),
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "previous_close": ("previous_close", "prev_close", "prevclose"),
    "split": (
        "split",
        "splits",
        "stock_splits",
        "split_coefficient",
        "split_ratio",
        "split_factor",
        "splitfactor",
    ),
}
_FIELDS = {name: field for field, names in NAMES.items() for name in names}
# A time of day if a date stands beside it.
_CLOCK = "time"
# The columns of our own CSV that tell bars from quotes.
_AS_OF, _INTERVAL = "as_of", "interval"
_NUMBERED = re.compile(r"[0-9]{1,2}\.\s*")
_HOW_TO_NUMBER = "--no-header --columns time=1,close=5 --symbol S (columns count from 1)"


class HeaderError(SettingsError):
    pass


class Columns(NamedTuple):
    """The position of each field in a row; -1 for a field that the file does not have.

    `fixed_symbol` is the symbol of all rows, if it is not in a column. `date` is the column of a date beside `time`.
    `interval` is a column of our own CSV, whose times are those of events.
    """

    width: int
    symbol: int
    fixed_symbol: str | None
    time: int
    date: int
    price: int
    price_name: str
    currency: int
    volume: int
    open: int
    high: int
    low: int
    previous_close: int
    split: int
    interval: int

    def time_text(self, row: Sequence[str]) -> str:
        """Return the text of the row's time, with the date in front if it has a column of its own."""
        return row[self.time] if self.date < 0 else f"{row[self.date].strip()} {row[self.time].strip()}".strip()

    def symbol_text(self, row: Sequence[str]) -> str:
        """Return the row's symbol without the ' that marks text in a spreadsheet, which our CSV has before = + - @."""
        return self.fixed_symbol or row[self.symbol].strip().removeprefix("'")


def normalize(name: str) -> str:
    """Return a name as NAMES has it: `<CLOSE>`, ` Close ` and `4. close` are `close`; `Prev Close` is `prev_close`."""
    name = name.strip().strip("\ufeff").lower()
    if name.startswith("<") and name.endswith(">"):
        name = name[1:-1]
    return re.sub(r"[ _-]+", "_", _NUMBERED.sub("", name).strip().removesuffix("."))


def names_of(columns: Columns, header: Sequence[str]) -> dict[str, str]:
    """Return the file's name, or the number, of each field's column that the file has."""
    places = {field: getattr(columns, field) for field in (*NAMES, _INTERVAL)}
    shown = {field: header[place].strip() if header else "" for field, place in places.items() if place >= 0}
    return {field: name or f"column {places[field] + 1}" for field, name in shown.items()}


def find_columns(header: Sequence[str], options: ReadingOptions) -> Columns:
    """Return the columns of a header. Raises HeaderError if one is missing or ambiguous."""
    names = [normalize(name) for name in header]
    given = {_field(name): _position(column, header, options) for name, column in options.columns.items()}
    places = {field: _find(field, names) for field in NAMES if field not in given} | given
    if not {"time", "date"}.isdisjoint(given):
        places |= {field: given.get(field, -1) for field in ("time", "date")}
    return _checked(header, names, places, options)


def find_numbered_columns(first_row: Sequence[str], options: ReadingOptions) -> Columns:
    """Return the columns of a file without a header. Raises HeaderError if --columns does not give them by number."""
    places = {_field(name): _position(column, first_row, options) for name, column in options.columns.items()}
    return _checked(first_row, [""] * len(first_row), dict.fromkeys(NAMES, -1) | places, options)


def is_header(row: Sequence[str]) -> bool:
    """Return True if the row has two known names at least: a symbol alone may be called OPEN, LOW or LAST."""
    return sum(normalize(cell) in _FIELDS for cell in row) > 1


def join_header(header: Sequence[str]) -> str:
    """Return the names on one short printable line."""
    shown = ", ".join(repr(name[:20])[1:-1] for name in header[:12])
    return (shown if any(header) else "nothing") + (", …" if len(header) > 12 else "")


def _checked(header: Sequence[str], names: Sequence[str], places: dict[str, int], options: ReadingOptions) -> Columns:
    time, date = places["time"], places["date"]
    if time >= 0 and date >= 0 and names[time] != _CLOCK and not {"time", "date"} <= options.columns.keys():
        date = -1
    if time < 0:
        time, date = date, -1
    if options.has_header and time >= 0 and _is_number(header[time]):
        raise HeaderError(f"has no header, but {header[time][:40]!r} where its name should be: add --no-header")
    missing = {
        "symbol": options.symbol is None and places["symbol"] < 0,
        "price": places["price"] < 0,
        "time": time < 0,
    }
    if any(missing.values()):
        raise HeaderError(_describe_missing([field for field in missing if missing[field]], header, options))
    width = max((place for place, name in enumerate(header) if name.strip()), default=-1) + 1
    return Columns(
        width=len(header) if not options.has_header else width,
        symbol=places["symbol"],
        fixed_symbol=options.symbol,
        time=time,
        date=date,
        price=places["price"],
        price_name=names[places["price"]] or "price",
        currency=places["currency"],
        volume=places["volume"],
        open=places["open"],
        high=places["high"],
        low=places["low"],
        previous_close=places["previous_close"],
        split=places["split"],
        interval=names.index(_INTERVAL) if _INTERVAL in names and names[time] == _AS_OF else -1,
    )


def _is_number(cell: str) -> bool:
    """Return True for a number, a date or a time; a name has at most its first characters in digits."""
    return re.fullmatch(r"[0-9][0-9.,:/ TZ+-]*", cell.strip()) is not None


def _field(name: str) -> str:
    field = _FIELDS.get(normalize(name), normalize(name))
    if field not in NAMES:
        raise HeaderError(f"--columns: {name[:40]!r} is not one of {', '.join(NAMES)}")
    return field


def _position(column: str, header: Sequence[str], options: ReadingOptions) -> int:
    """Return the position of a column that is given by its name or, counted from 1, by its number."""
    if options.has_header:
        for same in (str, normalize):
            found = [place for place, name in enumerate(header) if same(name.strip()) == same(column)]
            if len(found) == 1:
                return found[0]
            if found:
                raise HeaderError(_describe_twice(column, found))
    if column.isdecimal() and 1 <= int(column) <= len(header):
        return int(column) - 1
    if options.has_header:
        raise HeaderError(f"has no column {column[:40]!r} (--columns); its header has: {join_header(header)}")
    raise HeaderError(f"has no column {column[:40]!r}: --no-header needs numbers from 1 to {len(header)} in --columns")


def _find(field: str, names: Sequence[str]) -> int:
    counts = Counter(names)
    name = next((name for name in NAMES[field] if name in counts), None)
    if name is None:
        return -1
    if counts[name] > 1:
        raise HeaderError(_describe_twice(name, [place for place, each in enumerate(names) if each == name], field))
    return names.index(name)


def _describe_twice(name: str, places: Sequence[int], field: str = "price") -> str:
    numbers = " and ".join(str(place + 1) for place in places[:5])
    example = f"--columns {field}={places[0] + 1}"
    return f"has the column {name!r} {len(places)} times (columns {numbers}): say which with {example}"


def _describe_missing(missing: Sequence[str], header: Sequence[str], options: ReadingOptions) -> str:
    if not options.has_header:
        return f"has no header: name its columns by number, such as {_HOW_TO_NUMBER}"
    if list(missing) == ["symbol"]:
        return "names no symbol: give it with --symbol S, or its column with --columns symbol=COLUMN"
    if all(_is_number(cell) for cell in header if cell.strip()):
        return f"has no header: name its columns by number, such as {_HOW_TO_NUMBER}"
    if not any(normalize(name) in _FIELDS for name in header):
        return (
            f"has no header that is known; its first line has: {join_header(header)}. Name the columns with --columns"
            f" time=COLUMN,price=COLUMN,symbol=COLUMN, or for a file without a header with {_HOW_TO_NUMBER}"
        )
    wanted = " and ".join(f"no {field}" for field in missing)
    columns = ",".join(f"{field}=COLUMN" for field in missing)
    symbol = " (or the symbol with --symbol S)" if "symbol" in missing else ""
    return f"names {wanted}: give it with --columns {columns}{symbol}; its header has: {join_header(header)}"
