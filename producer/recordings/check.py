"""`replay --check`: what would be read of a file, without publishing it."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from producer.recordings.reader import Recording
from producer.recordings.refusals import Refusals
from producer.recordings.rows import InvalidRow, RecordedPrice
from producer.recordings.selection import Selection
from shared.errors import SettingsError
from shared.prices import format_price
from shared.times import format_instant

_SHOWN_ROWS = 3
# Rows between two steps of the progress bar.
_STEP = 5000
_SEPARATOR_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "|"}

ROW_COLUMNS = ("line", "symbol", "as_of", "interval", "price", "open", "high", "low", "volume", "currency")


@dataclass
class CheckReport:
    """The counts of a whole file, its first and its last rows, and the error at which reading ended early."""

    readable: int = 0
    refusals: Refusals = field(default_factory=Refusals)
    first: list[RecordedPrice] = field(default_factory=list)
    last: deque[RecordedPrice] = field(default_factory=lambda: deque(maxlen=_SHOWN_ROWS))
    error: SettingsError | None = None

    def add(self, row: RecordedPrice | InvalidRow) -> None:
        if isinstance(row, InvalidRow):
            self.refusals.add(row)
            return
        self.readable += 1
        if len(self.first) < _SHOWN_ROWS:
            self.first.append(row)
        else:
            self.last.append(row)


def check_recording(recording: Recording, selection: Selection | None, progress: Callable[[int], None]) -> CheckReport:
    """Read the whole file, or up to where it is truncated or damaged."""
    report = CheckReport()
    wanted = None if selection is None else lambda symbol, _time: selection.selects(symbol)
    try:
        for count, row in enumerate(recording.rows(wanted)):
            report.add(row)
            if count % _STEP == 0:
                progress(recording.position)
    except SettingsError as error:
        report.error = error
    return report


def describe_reading(recording: Recording) -> Iterator[str]:
    """Yield lines about the columns and the times of a file, as they are understood."""
    options = recording.options
    names = recording.layout.column_names()
    columns = ", ".join(f"{field} = {name!r}" for field, name in names.items())
    separator = recording.layout.separator
    yield f"separator: {_SEPARATOR_NAMES.get(separator, repr(separator))}; columns: {columns}"
    fixed = [each.fixed_symbol for each in recording.layout.columns if each.fixed_symbol is not None]
    if fixed:
        yield f"symbol: {', '.join(fixed[:10])}{f' and {len(fixed) - 10} more' if len(fixed) > 10 else ''}"
    form = f" of the form {options.date_format}" if options.date_format else ""
    yield f"times{form} without an offset: {options.zone}"
    if options.interval is not None:
        shift = f", as_of = time + {options.interval}" if options.time_shift() else ""
        yield f"bars: {options.interval}{shift}"


def describe_refusals(report: CheckReport) -> Iterator[str]:
    """Yield a line about the number of rows, and one about each reason for which rows are refused."""
    yield f"rows that would be read: {report.readable}, refused: {report.refusals.count}"
    for each in report.refusals.kinds():
        yield f"{each.count} refused, first in line {each.first.line}: {each.first.reason}"


def shown_fields(row: RecordedPrice) -> dict[str, object]:
    """Return the values of ROW_COLUMNS as text."""
    prices = {name: getattr(row, name) for name in ("price", "open", "high", "low")}
    return {
        **row._asdict(),
        **{name: None if price is None else format_price(price) for name, price in prices.items()},
        "as_of": format_instant(row.as_of),
    }
