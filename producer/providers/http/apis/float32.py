"""Prices that a provider stored as 32-bit floats and sent as the decimals of 64-bit floats."""

from decimal import Context, Decimal

from producer.providers.http.apis.base import Json
from shared.prices import MAX_DIGITS

_EXACT = Context(prec=200)
# Binary digits of a 32-bit float, which is at most half of the last digit away from the price.
# Source: https://en.wikipedia.org/wiki/Single-precision_floating-point_format
_BITS = 24
# The rounding error of a 64-bit float, in units of that last digit.
_SLACK = Decimal(2) ** -28


def round_float32(value: Json, decimals: Json) -> Json:
    """Return the price with at most `decimals` decimals that the float was made from: 189.9499969482422 is 189.95.

    Returns the value unchanged if it is not such a float, or if more than one price fits. `read_price` then finds the
    shortest decimal that gives the float.
    """
    if not isinstance(value, Decimal) or not isinstance(decimals, int) or not 0 <= decimals <= 8:
        return value
    if not value or len(value.as_tuple().digits) > 40 or abs(value.adjusted()) > 20 or not _is_float32(value):
        return value
    step = Decimal(1).scaleb(-decimals)
    error = _EXACT.divide(abs(value), Decimal(2**_BITS))
    rounded = value.quantize(step, context=_EXACT)
    near = abs(_EXACT.subtract(rounded, value)) <= error
    return rounded if near and 2 * error < step else value


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
