"""Yahoo's splits. Past prices arrive divided by all later splits, and are multiplied back to the prices as traded."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from typing import Any

from producer.providers.http.apis.base import Json
from producer.providers.http.apis.yahoo_charts import midnight
from producer.providers.http.parsing import find_nested, truncate
from producer.providers.http.values import read_unix_time, read_volume, to_number
from shared.errors import InvalidResponse
from shared.prices import MAX_DIGITS
from shared.split_ratios import check_split_ratio
from shared.splits import Split, combined_factor

_EXACT = Context(prec=200, rounding=ROUND_HALF_EVEN)
_ROUNDED = Context(prec=MAX_DIGITS, rounding=ROUND_HALF_EVEN)
# The error of a 32-bit float, relative to its value.
_FLOAT32_ERROR = Decimal(2) ** -24
_USUAL_DECIMALS, _MOST_DECIMALS = 2, 8


def read_splits(symbol: str, meta: Mapping[str, Any], chart: Mapping[str, Any]) -> list[Split]:
    """Return the splits that a chart tells. Without `events` there are none in its time.

    Raises InvalidResponse if one of the splits is unreadable, because then no price before is known as it was traded.
    """
    told = find_nested(chart, "events", "splits")
    if told is None:
        return []
    entries = told.values() if isinstance(told, dict) else told if isinstance(told, list) else [told]
    try:
        found = [_read_split(symbol, meta, entry) for entry in entries]
    except (InvalidResponse, ArithmeticError, ValueError) as error:
        reason = f"a split in the answer is unreadable ({truncate(error, 80)}), so the prices as traded are unknown"
        raise InvalidResponse(reason) from error
    return sorted((split for split in found if split is not None), key=lambda split: split.day)


class TradedPrices:
    """Prices and volumes as traded, of those that Yahoo divided and multiplied by the splits that came later."""

    def __init__(self, splits: Sequence[Split]) -> None:
        """Take the splits up to today, oldest first."""
        self._days = [split.day for split in splits]
        self._factors = [combined_factor(splits[place:]) for place in range(len(splits) + 1)]

    def factor_after(self, day: date) -> Fraction:
        """Return the new shares of today per share of a trading date."""
        return self._factors[bisect_right(self._days, day)]


def restore_price(value: Json, factor: Fraction, decimals: Json) -> Json:
    """Return a price times a factor: 124.80750274658203 by 4 is 499.23.

    The value is a rounded quotient, so of the products that may have been meant, the one with the fewest decimals is
    returned, but not fewer than `decimals`. If they are too many, it is the product itself.
    """
    number = to_number(value)
    if factor == 1 or not number or len(number.as_tuple().digits) > 40 or abs(number.adjusted()) > 20:
        return value
    product = _times(_EXACT, number, factor)
    last_digit = _times(_EXACT, Decimal(1).scaleb(int(number.as_tuple().exponent)), factor)
    error = _EXACT.add(_EXACT.multiply(abs(product), _FLOAT32_ERROR), _EXACT.divide(last_digit, Decimal(2)))
    fewest = decimals if isinstance(decimals, int) and 0 <= decimals <= _MOST_DECIMALS else _USUAL_DECIMALS
    for places in range(fewest, _MOST_DECIMALS + 1):
        step = Decimal(1).scaleb(-places)
        if 2 * error >= step:
            break
        rounded = product.quantize(step, context=_EXACT)
        if abs(_EXACT.subtract(rounded, product)) <= error:
            return rounded
    return _times(_ROUNDED, number, factor)


def restore_volume(value: Json, factor: Fraction) -> int | None:
    """Return the whole shares that were traded."""
    volume = read_volume(value)
    return None if volume is None else volume * factor.denominator // factor.numerator


def _read_split(symbol: str, meta: Mapping[str, Any], entry: Json) -> Split | None:
    """Return a split, or None for one share for one."""
    new, old = (to_number(find_nested(entry, name)) for name in ("numerator", "denominator"))
    if not new or not old or new < 0 or old < 0:
        raise InvalidResponse(f"{truncate(entry, 80)} has no ratio")
    ratio = check_split_ratio(Fraction(new) / Fraction(old))
    day = midnight(meta, read_unix_time(find_nested(entry, "date"))).date()
    return None if ratio is None else Split.of(symbol, day, ratio)


def _times(context: Context, number: Decimal, factor: Fraction) -> Decimal:
    return context.divide(_EXACT.multiply(number, Decimal(factor.numerator)), Decimal(factor.denominator))
