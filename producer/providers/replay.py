"""Recorded prices played back, one step per sync; a step has all rows with the next recorded time."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

from producer.providers.base import Quote
from producer.recordings.reader import Recording
from producer.recordings.refusals import Refusals
from producer.recordings.rows import MAX_VALUE, InvalidRow, RecordedPrice
from producer.recordings.selection import Selection
from shared.errors import ProviderError, SettingsError
from shared.time_parsing import parse_time
from shared.times import format_instant, parse_instant

log = logging.getLogger(__name__)

_CACHE_SIZE = 1 << 13
_NO_OPTIONS = "; STOCKWIRE_REPLAY_FILE takes no options, only ./stockwire replay does"


@dataclass(frozen=True)
class ReplayProvider:
    """Plays `file` back; the file `cursor` keeps the position across restarts.

    Rows may be in any order. A sync at the same instant as the last one gets the same step again. The cursor is valid
    for one file only: another file is played from its beginning.
    """

    name: ClassVar[str] = "replay"

    file: Path
    cursor: Path

    def quotes(self, symbols: Sequence[str], at: datetime) -> Mapping[str, Quote | ProviderError]:
        """See Provider. Raises ProviderError at the end of the recording, and for an invalid file."""
        last = self._load_cursor()
        try:
            step = self._read_step(symbols, _allowed_times(last, at))
        except SettingsError as error:
            raise ProviderError(f"{error}{_NO_OPTIONS if ' --' in str(error) else ''}") from error
        if step is None and last is not None and last.at == at:
            step = _Step(last.step, {})
        if step is None:
            raise ProviderError(self._describe_end(last))
        self._save_cursor(_Cursor(at, step.time))
        return {symbol: step.quotes.get(symbol) or self._no_price(symbol, step.time) for symbol in symbols}

    def _no_price(self, symbol: str, time: datetime) -> ProviderError:
        return ProviderError(f"{self.file.name} has no price of {symbol} at {format_instant(time)}")

    def _read_step(self, symbols: Sequence[str], allowed: Callable[[datetime], bool]) -> "_Step | None":
        """Return the earliest step at an allowed time that has a price of any of these symbols."""
        selection = Selection(symbols)
        step: _Step | None = None
        parse = lru_cache(_CACHE_SIZE)(_parse_or_none)
        refusals = Refusals()

        def is_wanted(symbol: str, time: str) -> bool:
            moment = parse(time) if len(time) <= MAX_VALUE else None
            if moment is None or not selection.selects(symbol):
                return False
            return (step is None or moment <= step.time) and allowed(moment)

        with Recording(self.file) as recording:
            for row in recording.rows(is_wanted):
                if isinstance(row, InvalidRow):
                    if refusals.add(row):
                        log.warning("%s line %d: %s", self.file.name, row.line, row.reason)
                elif step is None or row.as_of < step.time:
                    step = _Step(row.as_of, {row.symbol: _to_quote(row)})
                else:
                    step.quotes[row.symbol] = _to_quote(row)
        return step

    def _describe_end(self, last: "_Cursor | None") -> str:
        if last is None:
            return f"{self.file} has no price of any symbol on the watch list"
        return (
            f"{self.file} has no prices after {format_instant(last.step)}: delete {self.cursor} to play it again,"
            " or set another STOCKWIRE_PROVIDER"
        )

    def _load_cursor(self) -> "_Cursor | None":
        try:
            saved = json.loads(self.cursor.read_text())
            if saved["file"] != str(self.file):
                return None
            return _Cursor(parse_instant(saved["at"]), parse_instant(saved["step"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError) as error:
            log.warning("%s cannot be read (%s): replaying %s from its beginning", self.cursor, error, self.file)
            return None

    def _save_cursor(self, cursor: "_Cursor") -> None:
        saved = {"file": str(self.file), "at": format_instant(cursor.at), "step": format_instant(cursor.step)}
        new = self.cursor.with_suffix(".new")
        try:
            self.cursor.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(json.dumps(saved))
            new.replace(self.cursor)
        except OSError as error:
            raise ProviderError(f"{self.cursor} cannot be written: {error.strerror}") from error


@dataclass(frozen=True)
class _Cursor:
    """The instant of the last sync, and the recorded time of its step."""

    at: datetime
    step: datetime


@dataclass(frozen=True)
class _Step:
    time: datetime
    quotes: dict[str, Quote | ProviderError]


def _allowed_times(last: _Cursor | None, at: datetime) -> Callable[[datetime], bool]:
    """Return a test for recorded times: after the last step, or the last step again for the same sync."""
    if last is None:
        return lambda _time: True
    if last.at == at:
        return lambda time: time == last.step
    return lambda time: time > last.step


def _parse_or_none(text: str) -> datetime | None:
    try:
        return parse_time(text)
    except ValueError:
        return None


def _to_quote(row: RecordedPrice) -> Quote:
    return Quote(
        price=row.price,
        as_of=row.as_of,
        currency=row.currency,
        volume=row.volume,
        open=row.open,
        high=row.high,
        low=row.low,
        previous_close=row.previous_close,
        interval=row.interval,
    )
