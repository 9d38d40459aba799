"""Prices that were 32-bit floats on their way, and came as the decimals of 64-bit ones."""

from decimal import Context, Decimal

from producer.providers.http.apis.base import Json
from shared.prices import MAX_DIGITS

_EXACT = Context(prec=200)
# A 32-bit float has so many binary digits; it is off by half of the last, at the most.
# Source: https://en.wikipedia.org/wiki/Single-precision_floating-point_format
_BITS = 24
# What the decimals of a 64-bit float may be off, in that last digit.
_SLACK = Decimal(2) ** -28


def round_float32(value: Json, decimals: Json) -> Json:
    """The price of at most so many decimals that such a float was made of: 189.9499969482422 is 189.95.

    What is no such float, or may as well have been made of another price, is returned as it is.
    """
    if not isinstance(value, Decimal) or not isinstance(decimals, int) or not 0 <= decimals <= 8:
        return value
    if not value or len(value.as_tuple().digits) > 40 or abs(value.adjusted()) > 20 or not _is_widened(value):
        return value
    step = Decimal(1).scaleb(-decimals)
    error = _EXACT.divide(abs(value), Decimal(2**_BITS))
    rounded = value.quantize(step, context=_EXACT)
    near = abs(_EXACT.subtract(rounded, value)) <= error
    return rounded if near and 2 * error < step else value


def _is_widened(value: Decimal) -> bool:
    """Whether it has more digits than a price, or no more binary ones than a 32-bit float."""
    if len(value.normalize(_EXACT).as_tuple().digits) > MAX_DIGITS:
        return True
    binary = abs(value)
    while binary < 2 ** (_BITS - 1):
        binary = _EXACT.multiply(binary, Decimal(2))
    while binary >= 2**_BITS:
        binary = _EXACT.divide(binary, Decimal(2))
    return abs(_EXACT.subtract(binary, binary.to_integral_value(context=_EXACT))) <= _SLACK
