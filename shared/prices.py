"""Prices as exact decimals of at most 15 significant digits, which a 64-bit float gives back digit for digit."""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TypeVar

Priced = TypeVar("Priced")
Number = TypeVar("Number", Decimal, float)

MAX_DIGITS = 15
MAX_LENGTH = 32

# The providers whose prices are invented, or repeated from a file. Other programs may label their prices the same way.
NOT_REAL = frozenset({"simulated", "replay"})

# The first two parts count: at most 32 characters, and at most 15 digits after leading zeros. The rest is the form.
PRICE_PATTERN = (
    rf"^(?=[0-9.]{{1,{MAX_LENGTH}}}(?![\s\S]))"
    rf"(?=[0.]*[1-9]\.?(?:[0-9]\.?){{0,{MAX_DIGITS - 1}}}(?![\s\S]))"
    r"(?:0|[1-9][0-9]*)(?:\.[0-9]*[1-9])?(?![\s\S])"
)

_PRICE = re.compile(PRICE_PATTERN)
_CANONICAL = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]*[1-9])?")
# At most two digits of exponent, because more zeros than that are not a price and could fill the memory.
_EXPONENT = re.compile(r"[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]{1,2}")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def is_real(provider: str) -> bool:
    """Return True unless this provider's prices are simulated or replayed."""
    return provider not in NOT_REAL


def prefer_real(found: Sequence[Priced], provider: Callable[[Priced], str]) -> list[Priced]:
    """Return those that are from real providers, or all of them if there are no such ones."""
    return [each for each in found if is_real(provider(each))] or list(found)


def parse_price(text: object) -> Decimal:
    """Return the price that `text` holds in canonical form: `412.5` or `200`, never `412.50`, `4.125e2` or a float.

    Raises ValueError with the reason.
    """
    if not isinstance(text, str) or not _PRICE.match(text):
        raise ValueError(explain_bad_price(text))
    return Decimal(text)


def read_price(text: str) -> Decimal:
    """Return the price in text from outside, which may have extra zeros or an exponent: `412.50`, `2.31e-05`.

    Raises ValueError with the reason.
    """
    text = text.strip()
    if _EXPONENT.fullmatch(text):
        text = format(Decimal(text), "f")
    if not _NUMBER.fullmatch(text):
        raise ValueError(_explain_form(text))
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    return parse_price((whole.lstrip("0") or "0") + (f".{fraction}" if fraction else ""))


def drop_impossible(
    price: Number, opened: Number | None, high: Number | None, low: Number | None
) -> tuple[Number | None, Number | None, Number | None]:
    """Return open, high and low, each None if it contradicts the price or the others; the price is never in doubt."""
    if high is not None and low is not None and high < low:
        high = low = None
    if high is not None and high < price:
        high = None
    if low is not None and low > price:
        low = None
    if opened is not None and ((high is not None and opened > high) or (low is not None and opened < low)):
        opened = None
    return opened, high, low


def format_price(price: Decimal) -> str:
    """Return the canonical text of a price."""
    if abs(price.adjusted()) > MAX_LENGTH:
        # Not a price, and its zeros written out could fill the memory. No reader accepts this text.
        return str(price)
    text = format(price, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def from_float(stored: float) -> Decimal:
    """Return the price that was stored as this float, digit for digit.

    The shortest text of a float (`repr`) is the decimal of at most 15 significant digits that the float was made from.
    """
    return Decimal(repr(stored).removesuffix(".0"))


def explain_bad_price(value: object) -> str:
    """Return the reason why `value` is not a price in canonical form."""
    if not isinstance(value, str):
        return f"must be a decimal string, not {_shorten(value)}"
    if not _CANONICAL.fullmatch(value):
        return _explain_form(value)
    if value.strip("0.") or len(value) > MAX_LENGTH:
        return f"{_shorten(value)} has more than {MAX_DIGITS} significant digits"
    return "must be more than zero"


def _explain_form(text: str) -> str:
    if re.fullmatch(r"-[0-9.]+", text):
        return f"{_shorten(text)} is negative"
    if _NUMBER.fullmatch(text):
        return f"{_shorten(text)} is not in canonical form: remove zeros in front and at the end of the fraction"
    return f"{_shorten(text)} is not a decimal number such as 412.35"


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
