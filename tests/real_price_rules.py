"""The file of real prices, and rules on it, whose thresholds depend on the prices of each symbol."""

import csv
import gzip
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from statistics import median_low
from typing import Any, NamedTuple

from tests.alert_oracle import OracleRule, Price

# The largest number in the ratio of a split, such as 3:2.
MOST = 20
ON_EVERY_SYMBOL = {
    "fall": "* moving down 10% in 7d",
    "drop": "* moving down 5% since close",
    "high": "* new high in 52w",
}


class RealPrices(NamedTuple):
    """Prices in the order of the file, and splits by symbol."""

    prices: Sequence[Price]
    splits: Mapping[str, Mapping[datetime, Fraction]]

    def ratio(self, symbol: str, after: datetime, until: datetime) -> Fraction | None:
        """Return the ratio of the splits of a symbol in a span, or None if there are none."""
        found = [ratio for at, ratio in self.splits.get(symbol, {}).items() if after < at <= until]
        return math.prod(found, start=Fraction(1)) if found else None


def read_real_prices(path: Path) -> RealPrices:
    """Read the closes of a file, each with the close of the symbol's row before as its `previous_close`."""
    last: dict[str, Decimal] = {}
    prices = []
    splits: defaultdict[str, dict[datetime, Fraction]] = defaultdict(dict)
    with gzip.open(path, "rt", newline="") as file:
        for row in csv.DictReader(file):
            symbol, as_of = row["symbol"], datetime.fromisoformat(row["date"]).replace(tzinfo=UTC)
            # Without zeros at the end, as prices travel.
            close = Decimal(format(Decimal(row["close"]).normalize(), "f"))
            prices.append(Price(symbol, as_of, close, previous_close=last.get(symbol)))
            last[symbol] = close
            if float(row["split"]) != 1:
                splits[symbol][as_of] = Fraction(row["split"]).limit_denominator(MOST)
    return RealPrices(prices, splits)


def rules_on(prices: Sequence[Price]) -> list[OracleRule]:
    """Return three rules on every symbol, and seven on each symbol, about its first close and its median."""
    closes: defaultdict[str, list[Decimal]] = defaultdict(list)
    for each in prices:
        closes[each.symbol].append(each.price)
    rules = [OracleRule(name, text) for name, text in ON_EVERY_SYMBOL.items()]
    for symbol, found in closes.items():
        rules += _rules_of(symbol, found[0], median_low(found))
    return rules


def _rules_of(symbol: str, first: Decimal, median: Decimal) -> Iterator[OracleRule]:
    channel = f"{first * Decimal('0.8'):f} {first * Decimal('1.2'):f}"
    yield OracleRule(f"{symbol} up", f"{symbol} crossing up {first}")
    yield OracleRule(f"{symbol} channel", f"{symbol} outside channel {channel}", {"resolved": True})
    options: Mapping[str, Mapping[str, Any]] = {
        "above": {},
        "for": {"for": "5d"},
        "once per": {"frequency": "once-per:7d"},
        "rearm": {"rearm": f"{median * Decimal('0.97'):f}"},
        "all": {"for": "2d", "frequency": "once-per:7d", "rearm": f"{median * Decimal('0.99'):f}", "resolved": True},
    }
    for name, given in options.items():
        yield OracleRule(f"{symbol} {name}", f"{symbol} above {median}", given)
