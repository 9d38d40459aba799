"""Prices that were 32-bit floats on their way, and came as the decimals of 64-bit ones."""

from decimal import Context, Decimal

from producer.providers.api import Json
from shared.prices import MAX_DIGITS

_EXACT = Context(prec=120)
# The most that a 32-bit float is off, relative to what it was made of.
# Source: https://en.wikipedia.org/wiki/Single-precision_floating-point_format
_PRECISION = Decimal(2**24)


def narrow(value: Json, decimals: Json) -> Json:
    """The price of at most so many decimals that such a float was made of: 189.9499969482422 is 189.95.

    What is no such float, or may as well have been made of another price, is returned as it is.
    """
    if not isinstance(value, Decimal) or not isinstance(decimals, int) or not 0 <= decimals <= 8:
        return value
    if not value or len(value.as_tuple().digits) > 40 or abs(value.adjusted()) > 20 or not _is_widened(value):
        return value
    step = Decimal(1).scaleb(-decimals)
    error = _EXACT.divide(abs(value), _PRECISION)
    rounded = value.quantize(step, context=_EXACT)
    near = abs(_EXACT.subtract(rounded, value)) <= error
    return rounded if near and 2 * error < step else value


def _is_widened(value: Decimal) -> bool:
    """Whether it has more digits than a price, or is a whole number of small binary fractions as floats are."""
    binary = _EXACT.remainder(_EXACT.multiply(value, _PRECISION), Decimal(1)) == 0
    return binary or len(value.normalize(_EXACT).as_tuple().digits) > MAX_DIGITS
