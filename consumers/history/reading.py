"""The rows of several queries one after the other: typed, by columns, or as Arrow batches."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from consumers.history.queries.candles import CandleQuery, stored_candles
from consumers.history.queries.columns import CANDLE_KINDS, PRICE_KINDS, Part, candle_columns, price_columns
from consumers.history.queries.prices import PriceQuery, stored_prices
from consumers.history.queries.rows import CandleRow, PriceRow
from shared.columns import Columns
from shared.database.reader import Reader

# Places of the time in a row of `stored_prices`, and in a candle.
_AS_OF, _START = 1, 0

# Passes on the rows of the query with this number. `place` is that of the row's time.
Follow = Callable[[int, Iterator[Any], int], Iterator[Any]]
FollowOne = Callable[[Iterator[Any], int], Iterator[Any]]

Row = TypeVar("Row", bound=tuple[Any, ...])


def pass_on(_number: int, rows: Iterator[Any], _place: int) -> Iterator[Any]:
    return rows


@dataclass(frozen=True)
class Reading(Generic[Row]):
    """Queries of one kind, each of one symbol: `rows_of` and `parts_of` read one of them."""

    kinds: Columns
    queries: Sequence[Any]
    rows_of: Callable[[Reader, Any, FollowOne], Iterator[Row]]
    parts_of: Callable[[Reader, Any, FollowOne], Iterator[Part]]

    def rows(self, reader: Reader, follow: Follow = pass_on) -> Iterator[Row]:
        for number, query in enumerate(self.queries):
            yield from self.rows_of(reader, query, partial(follow, number))

    def parts(self, reader: Reader, follow: Follow = pass_on) -> Iterator[Part]:
        for number, query in enumerate(self.queries):
            yield from self.parts_of(reader, query, partial(follow, number))

    def batches(self, reader: Reader, scale: int, follow: Follow = pass_on) -> Iterator[Any]:
        """Yield record batches of Arrow whose prices have this number of digits after the point."""
        from shared.arrow import batch_of_columns

        return (batch_of_columns(self.kinds, part, scale) for part in self.parts(reader, follow))


def read_price_queries(queries: Iterable[PriceQuery]) -> Reading[PriceRow]:
    return Reading(PRICE_KINDS, list(queries), _price_rows, _price_parts)


def read_candle_queries(queries: Iterable[CandleQuery]) -> Reading[CandleRow]:
    return Reading(CANDLE_KINDS, list(queries), _candle_rows, _candle_parts)


def _price_rows(reader: Reader, query: PriceQuery, follow: FollowOne) -> Iterator[PriceRow]:
    return map(PriceRow.of_stored, follow(stored_prices(reader, query), _AS_OF))


def _price_parts(reader: Reader, query: PriceQuery, follow: FollowOne) -> Iterator[Part]:
    return price_columns(follow(stored_prices(reader, query), _AS_OF))


def _candle_rows(reader: Reader, query: CandleQuery, follow: FollowOne) -> Iterator[CandleRow]:
    return (CandleRow.of_stored(query.symbol, each) for each in follow(stored_candles(reader, query), _START))


def _candle_parts(reader: Reader, query: CandleQuery, follow: FollowOne) -> Iterator[Part]:
    return candle_columns(query.symbol, follow(stored_candles(reader, query), _START))
