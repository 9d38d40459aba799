"""Numbers as files have them: with thousands separators, exponents, dollar signs and the noise of floats."""

import re
from decimal import Decimal
from fractions import Fraction

from shared.float_noise import remove_float_noise
from shared.prices import read_price
from shared.split_ratios import read_split_ratio

# Text for a value that is not known.
MISSING = frozenset({"", "-", "--", "nan", "null", "none", "na", "n/a", "#n/a", "<na>", "nil"})

_SHORT = re.compile(r"[1-9][0-9]{0,7}(?:\.[0-9]{0,5}[1-9])?")
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_OPEN_ENDED = re.compile(r"[0-9]*\.[0-9]*")
_EXPONENT = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][+-]?[0-9]{1,2}")
_COMMAS = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+")
_COMMAS_AND_POINT = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+\.[0-9]+")
_POINTS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{3}){2,}")
_DECIMAL_COMMA = re.compile(r"(?:[0-9]+|[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]{1,3}(?:[ \u00a0\u202f][0-9]{3})+),[0-9]+")
_ANY_DECIMAL_COMMA = re.compile(r"[0-9]+,[0-9]+")
_VOLUME = re.compile(r"([0-9., \u00a0eE+-]*[0-9.])[ \u00a0]?([kmbt]?)", re.IGNORECASE)
_TIMES = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}
_GROUP_OR_FRACTION = re.compile(r"[0-9]{1,3}[.,][0-9]{3}")
_NOT_DIGITS = re.compile(r"[^0-9]")
_MAX_VOLUME = 2**63 - 1
_SHORT_VOLUME = len(str(_MAX_VOLUME))
# More digits are not a number of shares, and would only cost time.
_LONGEST_VOLUME = 40


def read_recorded_price(text: str, *, decimal_comma: bool = False) -> Decimal:
    """Return the price. With `decimal_comma`, `131,15` and `1.131,27` are prices too.

    Raises ValueError with the reason, which goes on after the name of the column.
    """
    if _SHORT.fullmatch(text):
        # Most prices. Nothing can be wrong with these.
        return Decimal(text)
    text = text.strip()
    if text.lower() in MISSING:
        raise ValueError("is missing")
    plain = _to_plain(text.removeprefix("$"), decimal_comma)
    return read_price(remove_float_noise(plain) if plain else text)


def read_optional_price(text: str, *, decimal_comma: bool = False) -> Decimal | None:
    """Return the price, or None if it is missing or impossible."""
    try:
        return read_recorded_price(text, decimal_comma=decimal_comma)
    except ValueError:
        return None


def read_recorded_volume(text: str, *, decimal_comma: bool = False) -> int | None:
    """Return the whole shares of a volume such as `24306145.14`, `1.2M`, `1e6` or `1,204`, or None if it is unknown."""
    if text.isdecimal() and len(text) < _SHORT_VOLUME:
        return int(text)
    text = text.strip()
    match = _VOLUME.fullmatch(text)
    if (
        match is None
        or len(text) > _LONGEST_VOLUME
        or (decimal_comma and _GROUP_OR_FRACTION.fullmatch(match[1]) and not match[2])
    ):
        # With decimal commas, 1.204 may be a thousand shares or one.
        return None
    number = _NOT_DIGITS.sub("", text) if _COMMAS.fullmatch(text) and not decimal_comma else match[1]
    try:
        plain = _to_plain(number, decimal_comma)
    except ValueError:
        return None
    return _at_most(int(Decimal(plain) * _TIMES[match[2].lower()])) if plain else None


def read_recorded_split(text: str, *, decimal_comma: bool = False) -> Fraction | None:
    """Return the new shares per old share, or None if there is no split: nothing, 0 or 1. Raises ValueError."""
    if text.strip().lower() in MISSING:
        return None
    is_comma = decimal_comma and _ANY_DECIMAL_COMMA.fullmatch(text.strip())
    return read_split_ratio(text.replace(",", ".") if is_comma else text)


def _at_most(volume: int) -> int | None:
    return volume if volume <= _MAX_VOLUME else None


def _to_plain(text: str, decimal_comma: bool) -> str | None:
    """Return the number as digits with at most one point, or None if it is not a number. Raises ValueError."""
    if _PLAIN.fullmatch(text):
        return text
    if "," in text or _POINTS.fullmatch(text):
        return _without_commas(text, decimal_comma)
    if _EXPONENT.fullmatch(text) or (text != "." and _OPEN_ENDED.fullmatch(text)):
        return format(Decimal(text), "f")
    return None


def _without_commas(text: str, decimal_comma: bool) -> str | None:
    """Return the number without thousands separators. Raises ValueError if a separator may be a decimal comma."""
    if decimal_comma and _DECIMAL_COMMA.fullmatch(text):
        whole, _, fraction = text.partition(",")
        return f"{_NOT_DIGITS.sub('', whole)}.{fraction}"
    if decimal_comma and _POINTS.fullmatch(text):
        return text.replace(".", "")
    if _COMMAS_AND_POINT.fullmatch(text) or (text.count(",") > 1 and _COMMAS.fullmatch(text)):
        return text.replace(",", "")
    if _COMMAS.fullmatch(text):
        raise ValueError(f"{text!r} may mean {text.replace(',', '')} or {text.replace(',', '.')}: write one of them")
    if _ANY_DECIMAL_COMMA.fullmatch(text):
        raise ValueError(f"{text[:40]!r} has a decimal comma, which only files with semicolons may have")
    return None
