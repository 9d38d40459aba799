"""Prices as exact decimals: at most 15 significant digits, so that a 64-bit float gives back every digit."""

import re
from decimal import Decimal

MAX_DIGITS = 15
MAX_LENGTH = 32

_CANONICAL = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]*[1-9])?")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def parse_price(text: object) -> Decimal:
    """A price in its canonical text form: `412.5`, `200`, never `412.50`, `4.125e2` or a float.

    Raises ValueError with the reason.
    """
    if not isinstance(text, str):
        raise ValueError(f"must be a decimal string, not {_shorten(text)}")
    if not _CANONICAL.fullmatch(text):
        raise ValueError(_why_not(text))
    if len(text) > MAX_LENGTH or len(text.replace(".", "").lstrip("0")) > MAX_DIGITS:
        raise ValueError(f"{_shorten(text)} has more than {MAX_DIGITS} significant digits")
    price = Decimal(text)
    if not price:
        raise ValueError("must be more than zero")
    return price


def read_price(text: str) -> Decimal:
    """A price as providers and files write it, trailing zeros allowed: `412.50` is 412.5. Raises ValueError."""
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        raise ValueError(_why_not(text))
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    return parse_price((whole.lstrip("0") or "0") + (f".{fraction}" if fraction else ""))


def format_price(price: Decimal) -> str:
    """The canonical text of a price; of a number that is far from any, a text that no reader takes for one."""
    if abs(price.adjusted()) > MAX_LENGTH:
        # All its zeros, written out, could take all the memory there is.
        return str(price)
    text = format(price, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def from_float(stored: float) -> Decimal:
    """The price that was stored as this float, digit for digit.

    A float's shortest text (`repr`) is the decimal of at most 15 significant digits it was made from.
    """
    return Decimal(repr(stored)).normalize()


def _why_not(text: str) -> str:
    if re.fullmatch(r"-[0-9.]+", text):
        return f"{_shorten(text)} is negative"
    if _NUMBER.fullmatch(text):
        return f"{_shorten(text)} is not in canonical form: no zeros in front, none at the end of a fraction"
    return f"{_shorten(text)} is not a decimal number such as 412.35"


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
