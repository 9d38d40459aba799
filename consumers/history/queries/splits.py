"""Queries for splits, without SQLAlchemy."""

from collections.abc import Sequence
from datetime import date
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from consumers.history.splits import SplitAdjustment
from shared.database.reader import Reader
from shared.splits import Split
from shared.times import midnight_of

_SPLITS = "SELECT symbol, day, new_shares, old_shares, source FROM split WHERE new_shares <> old_shares"


class StoredSplit(NamedTuple):
    """A split, and its source: hand, file or the name of a provider."""

    split: Split
    source: str


def read_splits(reader: Reader, symbols: Sequence[str] = ()) -> list[StoredSplit]:
    """Return the splits of the symbols (default: all), sorted by symbol and date."""
    names = {f"symbol_{number}": symbol for number, symbol in enumerate(symbols)}
    sql = f"{_SPLITS} AND symbol IN ({', '.join(f':{name}' for name in names)})" if names else _SPLITS
    # PostgreSQL may sort text by the rules of a language.
    rows = sorted(reader.select(sql, names))
    return [
        StoredSplit(Split(symbol, date.fromisoformat(day), new, old), source) for symbol, day, new, old, source in rows
    ]


def read_adjustments(
    reader: Reader, symbols: Sequence[str], market: str | None, *, until: date | None = None
) -> dict[str, SplitAdjustment]:
    """Return the adjustment of each symbol with a split, by the market's trading dates if there is a market.

    With `until`, prices are in shares of that date: a split that is announced for a later one does not count.
    """
    known = [stored.split for stored in read_splits(reader, symbols)]
    splits = known if until is None else [split for split in known if split.day <= until]
    if not splits or not market:
        day_start = midnight_of
    else:
        from shared.market_calendar import load_market_calendar

        day_start = load_market_calendar(market).day_start
    by_symbol = groupby(splits, key=attrgetter("symbol"))
    return {symbol: SplitAdjustment(found, day_start) for symbol, found in by_symbol}
