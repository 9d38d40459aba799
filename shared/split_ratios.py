"""The ratio of a share split as people, files and providers write it: new shares for old ones."""

import re
from decimal import Decimal
from fractions import Fraction

_RATIO = re.compile(r"([0-9]{1,5}):([0-9]{1,5})", re.ASCII)
_NUMBER = r"[0-9]{1,12}(?:\.[0-9]{0,20})?"
_PAIR = re.compile(rf"({_NUMBER})\s*(?::|/|-for-|\sfor\s)\s*({_NUMBER})", re.ASCII | re.IGNORECASE)
_DECIMAL = re.compile(rf"{_NUMBER}|\.[0-9]{{1,20}}", re.ASCII)
# The largest number in a ratio, and the largest ratio.
MOST = 10_000
# From so many decimals on, a number may be a fraction that was rounded: 0.3333, and of larger numbers 0.34615385.
_ROUNDED_DECIMALS = 4
_PRECISE_DECIMALS = 7
# The history stores the parts of a ratio as integers of 32 bits.
_LARGEST_DENOMINATOR = 100_000


def parse_split_ratio(text: str) -> Fraction:
    """Return the new shares per old share of `4:1`, or of `1:10` for a reverse split. Raises ValueError."""
    match = _RATIO.fullmatch(text.strip())
    new, old = (int(match[1]), int(match[2])) if match else (0, 0)
    if new == old or not (0 < new <= MOST and 0 < old <= MOST):
        raise ValueError(f"{text[:40]!r} is not a ratio such as 4:1 (four new shares for one old) or 1:10")
    return Fraction(new, old)


def read_split_ratio(text: str) -> Fraction | None:
    """Return the new shares per old share of `4`, `0.33333333`, `4:1` or `4-for-1`; None for 0 and 1.

    Raises ValueError with the reason.
    """
    text = text.strip()
    if pair := _PAIR.fullmatch(text):
        new, old = Fraction(pair[1]), Fraction(pair[2])
        ratio = new / old if old else Fraction(0)
    elif _DECIMAL.fullmatch(text):
        ratio = _unrounded(Decimal(text))
    else:
        raise ValueError(f"{text[:40]!r} is not the ratio of a split such as 4, 0.1 or 4:1")
    return check_split_ratio(ratio)


def check_split_ratio(ratio: Fraction) -> Fraction | None:
    """Return the ratio, at the precision with which it is stored; None for 0 and 1. Raises ValueError."""
    if ratio in (0, 1):
        return None
    if not Fraction(1, MOST) <= ratio <= MOST:
        raise ValueError(f"{float(ratio):g} is not the ratio of a split: more than {MOST:,} shares for one")
    return ratio.limit_denominator(_LARGEST_DENOMINATOR)


def _unrounded(number: Decimal) -> Fraction:
    """Return the fraction of the smallest numbers that was rounded to this number, or else the number itself."""
    decimals = -int(number.as_tuple().exponent)
    last_digit = Fraction(1, 10 ** max(0, decimals))
    largest = (10, 100, 1_000, 10_000) if decimals >= _PRECISE_DECIMALS else (10,)
    for denominator in largest if decimals >= _ROUNDED_DECIMALS else ():
        simple = Fraction(number).limit_denominator(denominator)
        if simple and abs(simple - Fraction(number)) <= last_digit:
            return simple
    return Fraction(number)
