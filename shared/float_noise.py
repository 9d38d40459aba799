"""Decimals that were stored as binary floats: back to the decimal that the float was made from."""

import struct
from decimal import ROUND_HALF_EVEN, Context, Decimal

from shared.prices import MAX_DIGITS

# A number with fewer digits in all, or after the point, may well be a price that a 32-bit float holds exactly.
_FEWEST_DIGITS = 10
_FEWEST_DECIMALS = 4
# Significant digits that tell any two 32-bit floats apart.
_DIGITS_OF_FLOAT32 = 9
# Digits that may be left after rounding to MAX_DIGITS: with more, the digits were not noise.
_MOST_DIGITS = MAX_DIGITS - 2
# Characters: more than the exact decimal of any float of a price has.
_MAX_TEXT = 140

_ROUNDED = Context(prec=MAX_DIGITS, rounding=ROUND_HALF_EVEN)
_FLOAT32 = struct.Struct("<f")


def remove_float_noise(text: str) -> str:
    """Return the number without the digits that a binary float added: 131.14999389648438 is 131.15.

    `text` is a number without sign and exponent. A 32-bit float that was widened to 64 bits is told by its bits. Noise
    from the 16th digit on is told by the zeros or nines in front of it. Any other number is returned unchanged.
    """
    if len(text) <= _FEWEST_DIGITS or len(text) > _MAX_TEXT or count_digits(text) < _FEWEST_DIGITS:
        return text
    value = float(text)
    if len(text.partition(".")[2]) >= _FEWEST_DECIMALS and _to_float32(value) == value:
        return _shortest_float32(value)
    if count_digits(text) <= MAX_DIGITS:
        return text
    rounded = format(_ROUNDED.create_decimal(text), "f")
    is_noise = count_digits(rounded) <= _MOST_DIGITS or float(rounded) == value
    return rounded if is_noise else text


def count_digits(text: str) -> int:
    """Return the number of significant digits of a number without sign and exponent."""
    return len(text.replace(".", "").strip("0"))


def _to_float32(value: float) -> float | None:
    try:
        narrowed: float = _FLOAT32.unpack(_FLOAT32.pack(value))[0]
    except OverflowError:
        return None
    return narrowed


def _shortest_float32(value: float) -> str:
    texts = (f"{value:.{digits}g}" for digits in range(1, _DIGITS_OF_FLOAT32))
    shortest = next((text for text in texts if _to_float32(float(text)) == value), f"{value:.{_DIGITS_OF_FLOAT32}g}")
    return format(Decimal(shortest), "f")
