"""The stored prices for Python programs and notebooks, read-only, also while the consumer writes."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from consumers.history.data_frames import Rows
from consumers.history.queries.buckets import make_buckets
from consumers.history.queries.candles import CandleQuery
from consumers.history.queries.columns import PRICE_KINDS, SYMBOL_KINDS, columns_of_rows
from consumers.history.queries.prices import PriceQuery, history_reader
from consumers.history.queries.rows import CandleRow, PriceRow, SymbolRow
from consumers.history.queries.splits import read_adjustments
from consumers.history.queries.symbols import latest_prices, stored_symbols
from consumers.history.reading import Reading, read_candle_queries, read_price_queries
from consumers.history.splits import SplitAdjustment
from consumers.history.timeframes import Timeframe
from shared.columns import Columns
from shared.database.reader import Reader
from shared.errors import HistoryClosed, InvalidQuery
from shared.settings import Settings, load_settings, parse_stored_url
from shared.symbols import read_symbol
from shared.times import midnight_of, parse_moment, utc_now

# A time: an aware datetime, one without a time zone or a date in UTC, or text as on the command line.
Time = datetime | date | str
# One symbol or several.
Symbols = str | Iterable[str]

Given = TypeVar("Given")
Row = TypeVar("Row", bound=tuple[Any, ...])
Value = TypeVar("Value")


def open_history(database: str | Path | None = None) -> "History":
    """Open the history for reading: a SQLite file, the URL of a database, or by default that of STOCKWIRE_HISTORY_URL.

    Raises StorageError if there is no history yet, and SettingsError for invalid settings.
    """
    settings = load_settings()
    if database is not None:
        settings = replace(settings, history_url=_valid(parse_stored_url, _url(database)))
    return History(settings)


class History:
    """The stored prices of one database. Close it, or use it as a context manager."""

    def __init__(self, settings: Settings) -> None:
        self._market = settings.market
        with ExitStack() as stack:
            self._stored: Reader | None = stack.enter_context(history_reader(settings))
            self._opened = stack.pop_all()

    def prices(
        self,
        symbols: Symbols,
        *,
        since: Time | None = None,
        until: Time | None = None,
        provider: str | None = None,
        adjusted: bool = False,
        limit: int | None = None,
    ) -> Rows[PriceRow]:
        """Return the prices of symbols with since <= as_of < until, oldest first, or the newest `limit` of each symbol.

        With `adjusted`, prices before a split are divided by its ratio. Raises InvalidQuery.
        """
        names, limit = _names(symbols), _valid(_positive, limit)
        providers = None if provider is None else [provider]
        ends = _time(since), _time(until)
        splits = self._splits(names, adjusted=adjusted)
        return self._read(
            read_price_queries(
                PriceQuery(name, *ends, limit, providers=providers, adjustment=splits.get(name)) for name in names
            )
        )

    def candles(
        self,
        symbols: Symbols,
        every: str,
        *,
        tz: str | None = None,
        since: Time | None = None,
        until: Time | None = None,
        provider: str | None = None,
        adjusted: bool = False,
        fill: bool = False,
        limit: int | None = None,
    ) -> Rows[CandleRow]:
        """Return candles of the length `every` (`5m`, `1h`, `1d`, `1w`, `1mo`), oldest first.

        `tz` is a time zone such as `America/New_York`, or `market`. With `fill`, empty candles repeat the last close.
        Raises InvalidQuery, and SettingsError for the zone `market` without a market.
        """
        names, limit = _names(symbols), _valid(_positive, limit)
        buckets = _valid(partial(make_buckets, zone=tz, market=self._market), _valid(Timeframe.parse, every))
        ends = _time(since), _time(until)
        splits = self._splits(names, adjusted=adjusted)
        return self._read(
            read_candle_queries(
                CandleQuery(name, buckets, *ends, provider, splits.get(name), fill, limit) for name in names
            )
        )

    def latest(self, symbols: Symbols = ()) -> Rows[PriceRow]:
        """Return the newest price of each of the symbols, or of all. Raises InvalidQuery."""
        names = _names(symbols)
        return self._few(PRICE_KINDS, lambda: latest_prices(self._reader(), names))

    def symbols(self, *, count: bool = False) -> Rows[SymbolRow]:
        """Return the stored symbols by provider and interval, with first and last time, and with `count` their rows."""
        return self._few(SYMBOL_KINDS, lambda: stored_symbols(self._reader(), count=count))

    def close(self) -> None:
        """Close the database. Rows that are read later raise HistoryClosed."""
        self._stored = None
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _reader(self) -> Reader:
        if self._stored is None:
            raise HistoryClosed("the history is closed: open it again with open_history()")
        return self._stored

    def _splits(self, names: Sequence[str], *, adjusted: bool) -> Mapping[str, SplitAdjustment]:
        return read_adjustments(self._reader(), names, self._market) if adjusted else {}

    def _read(self, reading: Reading[Row]) -> Rows[Row]:
        return Rows(
            reading.kinds,
            lambda: self._while_open(reading.rows(self._reader())),
            lambda: self._while_open(reading.parts(self._reader())),
        )

    def _few(self, kinds: Columns, read: Callable[[], list[Row]]) -> Rows[Row]:
        return Rows(kinds, lambda: iter(read()), lambda: columns_of_rows(kinds, read()))

    def _while_open(self, items: Iterator[Value]) -> Iterator[Value]:
        """Yield the items. Raises HistoryClosed if the history is closed before their end."""
        self._reader()
        for item in items:
            yield item
            self._reader()


def _url(database: str | Path) -> str:
    text = str(database)
    return text if "://" in text else f"sqlite:///{Path(text).expanduser().absolute()}"


def _names(symbols: Symbols) -> list[str]:
    given = [symbols] if isinstance(symbols, str) else list(symbols)
    return list(dict.fromkeys(_valid(read_symbol, each) for each in given))


def _time(given: Time | None) -> datetime | None:
    match given:
        case datetime():
            return given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)
        case date():
            return midnight_of(given)
        case str():
            return _valid(partial(parse_moment, now=utc_now()), given)
        case None:
            return None
    raise InvalidQuery(f"{given!r} is not a time: give a datetime, a date, or text such as 2026-11-20 or 7d")


def _positive(limit: int | None) -> int | None:
    if limit is not None and limit < 1:
        raise ValueError(f"the limit is {limit}, but must be at least 1")
    return limit


def _valid(parse: Callable[[Given], Value], given: Given) -> Value:
    try:
        return parse(given)
    except ValueError as error:
        raise InvalidQuery(str(error)) from error
