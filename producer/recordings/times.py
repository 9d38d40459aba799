"""The time of a row: as `as_of` of a quote, or of a bar with its interval."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache, partial

from producer.recordings.options import DAY, ReadingOptions, bar_length, has_time_of_day
from shared.time_parsing import is_repeated, localize, parse_outside_time
from shared.times import midnight_of

# Symbols whose last time is kept, to find the second of two equal hours.
_MAX_SYMBOLS = 4096
_OTHER_FORMS = "other forms are read with --date-format"

# The `as_of` in UTC, and the interval of a bar.
BarTime = tuple[datetime, str | None]


def make_time_reader(options: ReadingOptions, cache_size: int) -> Callable[[str, str], BarTime]:
    """Return a function of symbol and text of a time, which raises ValueError with the reason."""
    parse = lru_cache(cache_size)(partial(parse_recorded_time, date_format=options.date_format))
    finish = partial(_finish, options=options)
    if options.zone is UTC or isinstance(options.zone, timezone):
        # Without a change of the clock, a text always means the same time.
        read = lru_cache(cache_size)(lambda text: finish(parse(text), text))
        return lambda _symbol, text: read(text)
    repeated_hours = RepeatedHours(options.zone)

    def read_local(symbol: str, text: str) -> BarTime:
        parsed = parse(text)
        if not isinstance(parsed, datetime) or parsed.tzinfo is not None:
            return finish(parsed, text)
        return finish(parsed, text, repeated=repeated_hours.is_second(symbol, parsed))

    return read_local


def parse_recorded_time(text: str, date_format: str | None) -> date | datetime:
    """Return the date, naive time or instant of a text; with a format, of no other form. Raises ValueError.

    If the format holds only a date, the time of day behind it is read as in any other file.
    """
    text = text.strip().removeprefix("'")
    if not text:
        raise ValueError("time is missing")
    if date_format is not None:
        return _parse_format(text, date_format)
    try:
        return parse_outside_time(text)
    except ValueError as error:
        hint = ": say so with --date-format, such as %d/%m/%Y" if "does not say" in str(error) else f"; {_OTHER_FORMS}"
        raise ValueError(f"time {error}{hint}") from error


def _parse_format(text: str, date_format: str) -> date | datetime:
    try:
        return _strptime(text, date_format)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"time {text[:40]!r} is not of the form {date_format} (--date-format)") from error


def _strptime(text: str, date_format: str) -> date | datetime:
    try:
        moment = datetime.strptime(text, date_format)  # noqa: DTZ007 - a naive time is in the zone of the file
    except ValueError:
        day, _, clock = text.rpartition(" ")
        if has_time_of_day(date_format) or not day:
            raise
        moment = datetime.strptime(day, date_format)  # noqa: DTZ007
        return parse_outside_time(f"{moment.date()} {clock}")
    if not has_time_of_day(date_format):
        return moment.date()
    return moment.astimezone(UTC) if moment.tzinfo is not None else moment


def _finish(parsed: date | datetime, text: str, options: ReadingOptions, *, repeated: bool = False) -> BarTime:
    length = bar_length(options.interval)
    if not isinstance(parsed, datetime):
        if length is not None and length < DAY:
            raise ValueError(f"time {text.strip()[:40]!r} has no time of day, which bars of {options.interval} need")
        return midnight_of(parsed), options.interval or "1d"
    if length == DAY:
        # The trading date is the date as it is written, or in the zone for an instant.
        return midnight_of(_date_in_zone(parsed, text, options.zone)), options.interval
    try:
        instant = parsed if parsed.tzinfo is not None else localize(parsed, options.zone, repeated=repeated)
        return instant + options.time_shift(), options.interval
    except OverflowError as error:
        raise ValueError(f"time {text.strip()[:40]!r} is outside the years 1 to 9999") from error
    except ValueError as error:
        raise ValueError(f"time {error}") from error


def _date_in_zone(parsed: datetime, text: str, zone: tzinfo) -> date:
    if parsed.tzinfo is None:
        return parsed.date()
    if zone is not UTC:
        return parsed.astimezone(zone).date()
    try:
        written = datetime.fromisoformat(text.strip())
    except ValueError:
        return parsed.date()
    return written.date() if written.tzinfo is not None and written == parsed else parsed.date()


class RepeatedHours:
    """Tells the second from the first of two equal hours, by the order of each symbol's rows.

    In a file from old to new, the hour begins again if a time does not come after the last one; in a file from new to
    old, its second half comes first.
    """

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._last: dict[str, tuple[datetime, bool, bool]] = {}

    def is_second(self, symbol: str, local: datetime) -> bool:
        """Return True if the next time of the symbol lies in the second of two equal hours."""
        last = self._last.pop(symbol, None)
        if not is_repeated(local, self._zone):
            if last is None or local - last[0] != timedelta():
                self._remember(symbol, local, second=False, descending=last is not None and local < last[0])
            else:
                self._last[symbol] = last
            return False
        second, descending = self._compare(local, last)
        self._remember(symbol, local, second=second, descending=descending)
        return second

    def _compare(self, local: datetime, last: tuple[datetime, bool, bool] | None) -> tuple[bool, bool]:
        if last is None:
            return False, False
        last_local, last_second, descending = last
        if not is_repeated(last_local, self._zone) or abs(local - last_local) > DAY:
            descending = local < last_local
            return descending, descending
        if descending:
            return last_second and local < last_local, descending
        return last_second or local <= last_local, descending

    def _remember(self, symbol: str, local: datetime, *, second: bool, descending: bool) -> None:
        if len(self._last) >= _MAX_SYMBOLS:
            del self._last[next(iter(self._last))]
        self._last[symbol] = (local, second, descending)
