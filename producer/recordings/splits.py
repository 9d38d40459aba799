"""The splits that the rows of a file tell."""

from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal

from producer.recordings.rows import RecordedPrice
from shared.splits import Split, must_show, shows
from shared.times import is_by_date

# Splits that are named because the prices do not show them.
_MOST_NAMED = 10
_MICROSECOND = timedelta(microseconds=1)


class SplitCollector:
    """Collects the splits of rows. Splits by which the prices of a file seem to be divided already are named."""

    def __init__(self, zone: tzinfo, warn: Callable[[str], None]) -> None:
        """Take the zone of the dates of rows with a time, and a function that gets lines for people."""
        self._zone = zone
        self._warn = warn
        self._found: list[Split] = []
        self._last: dict[str, tuple[datetime, Decimal]] = {}
        self._named = 0

    def add(self, row: RecordedPrice) -> None:
        if row.split is not None:
            split = Split.of(row.symbol, self._day_of(row).date(), row.split)
            if split not in self._found:
                self._found.append(split)
                self._check(split, row)
        self._last[row.symbol] = row.as_of, row.price

    def take(self) -> list[Split]:
        """Return the splits since the last call."""
        found, self._found = self._found, []
        return found

    def _day_of(self, row: RecordedPrice) -> datetime:
        if is_by_date(row.interval):
            return row.as_of
        # The end of a bar may be midnight.
        return (row.as_of - (_MICROSECOND if row.interval else timedelta())).astimezone(self._zone)

    def _check(self, split: Split, row: RecordedPrice) -> None:
        last = self._last.get(row.symbol)
        if last is None or not must_show(split.factor, row.as_of - last[0]):
            return
        if shows(split.factor, last[1], row.price) or self._named >= _MOST_NAMED:
            return
        self._named += 1
        self._warn(
            f"line {row.line}: the prices of {split.symbol} do not show its split of {split.ratio}. If they are divided"
            f" by it already, `history --adjusted` divides them again:"
            f" run ./stockwire splits remove {split.symbol} {split.day}"
        )
