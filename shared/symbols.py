"""Ticker symbols, and how one travels in a routing key."""

import re
from collections.abc import Collection
from itertools import islice

from shared.errors import InvalidEvent

_SYMBOL = re.compile(r"[A-Z0-9.\-^=:/_]{1,32}")


def check_symbol(symbol: object) -> str:
    """The symbol as the exchange writes it, upper case; raises InvalidEvent for any other form."""
    if not isinstance(symbol, str) or not _SYMBOL.fullmatch(symbol):
        shown = repr(symbol)[:40]
        raise InvalidEvent(f"symbol {shown} is not 1-32 characters of A-Z 0-9 . - ^ = : / _")
    return symbol


def routing_token(symbol: str) -> str:
    """The symbol as one word of a topic key, in which a dot would separate words: `BRK.B` is `BRK-B`."""
    return symbol.replace(".", "-")


def join_names(symbols: Collection[str], most: int = 10) -> str:
    """`AAPL, MSFT and 3 more`: as many as a line has room for."""
    named = ", ".join(islice(symbols, most))
    return named if len(symbols) <= most else f"{named} and {len(symbols) - most} more"
