"""Ticker symbols, and their spelling in a routing key."""

import re
from collections.abc import Collection
from itertools import islice

from shared.errors import InvalidEvent

# The end is `(?![\s\S])` because `$` also matches before a final newline, and JSON Schema does not know `\Z`.
SYMBOL_PATTERN = r"^[A-Z0-9.\-^=:/_&]{1,32}(?![\s\S])"

_SYMBOL = re.compile(SYMBOL_PATTERN)


def check_symbol(symbol: object) -> str:
    """Return the symbol, which must be spelled as the exchange spells it, in upper case.

    Raises InvalidEvent for any other form.
    """
    if not isinstance(symbol, str) or not _SYMBOL.match(symbol):
        raise InvalidEvent(f"symbol {repr(symbol)[:40]} is not 1-32 characters of A-Z 0-9 . - ^ = : / _ &")
    return symbol


def read_symbol(text: str) -> str:
    """Return the symbol in text from outside: in all upper case as it is, in all lower case raised to upper case.

    Raises InvalidEvent for any other form, and for mixed case, which may mean another security.
    """
    symbol = text.strip()
    if not symbol.isascii() or not any(each.islower() for each in symbol):
        return check_symbol(symbol)
    raised = check_symbol(symbol.upper())
    if any(each.isupper() for each in symbol):
        raise InvalidEvent(
            f"symbol {symbol!r} mixes upper and lower case, and may be another security than {raised}:"
            f" write it in one case, as {raised}"
        )
    return raised


def routing_token(symbol: str) -> str:
    """Return the symbol as one word of a routing key: `BRK.B` becomes `BRK-B`, because a dot separates words."""
    return symbol.replace(".", "-")


def join_names(names: Collection[str], most: int = 10) -> str:
    """Return the names on one line, at most `most` of them: `AAPL, MSFT and 3 more`."""
    line = ", ".join(islice(names, most))
    return line if len(names) <= most else f"{line} and {len(names) - most} more"
