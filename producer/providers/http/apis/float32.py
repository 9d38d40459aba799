"""Prices that a provider stored as 32-bit floats and sent as the decimals of 64-bit floats."""

import struct
from decimal import Context, Decimal

from producer.providers.http.apis.base import Json
from shared.prices import MAX_DIGITS

_EXACT = Context(prec=200)
# Binary digits of a 32-bit float, which is at most half of the last digit away from the price.
# Source: https://en.wikipedia.org/wiki/Single-precision_floating-point_format
_BITS = 24
# The rounding error of a 64-bit float, in units of that last digit.
_SLACK = Decimal(2) ** -28
# A decimal of up to seven digits is nearly always the shortest that gives its 32-bit float. A number with no more than
# nine digits may be a price that the float holds exactly, such as 620000.125.
_SHORTEST_DIGITS = 7
_EXACT_DIGITS = 9


def round_float32(value: Json, decimals: Json) -> Json:
    """Return the price with at most `decimals` decimals that the float was made from: 189.9499969482422 is 189.95.

    If the number of decimals is unknown or too small, the price has at most seven significant digits. Returns the value
    unchanged if it is not such a float, or if more than one price fits.
    """
    if not isinstance(value, Decimal) or not value or abs(value.adjusted()) > 20:
        return value
    digits = len(value.as_tuple().digits)
    if digits > 40 or not _is_float32(value):
        return value
    rounded = _round_to(value, decimals) if isinstance(decimals, int) and 0 <= decimals <= 8 else None
    if rounded is None and digits > _EXACT_DIGITS:
        rounded = _find_shortest(value)
    return value if rounded is None else rounded


def _round_to(value: Decimal, decimals: int) -> Decimal | None:
    step = Decimal(1).scaleb(-decimals)
    error = _EXACT.divide(abs(value), Decimal(2**_BITS))
    rounded = value.quantize(step, context=_EXACT)
    near = abs(_EXACT.subtract(rounded, value)) <= error
    return rounded if near and 2 * error < step else None


def _find_shortest(value: Decimal) -> Decimal | None:
    """Return the decimal of at most seven digits that gives exactly this 32-bit float."""
    number = float(value)
    if _to_float32(number) != number:
        return None
    shortest = f"{number:.{_SHORTEST_DIGITS}g}"
    return Decimal(shortest) if _to_float32(float(shortest)) == number else None


def _to_float32(number: float) -> float:
    narrowed: float = struct.unpack("<f", struct.pack("<f", number))[0]
    return narrowed


def _is_float32(value: Decimal) -> bool:
    """Return True if the value has more digits than a price may have, or fits the binary digits of a 32-bit float."""
    if len(value.normalize(_EXACT).as_tuple().digits) > MAX_DIGITS:
        return True
    binary = abs(value)
    while binary < 2 ** (_BITS - 1):
        binary = _EXACT.multiply(binary, Decimal(2))
    while binary >= 2**_BITS:
        binary = _EXACT.divide(binary, Decimal(2))
    return abs(_EXACT.subtract(binary, binary.to_integral_value(context=_EXACT))) <= _SLACK
