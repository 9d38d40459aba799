"""Page tokens: the last row of a page as opaque text. Rows that are added later do not move the next page."""

import base64
import json
from collections.abc import Sequence
from typing import Any

from consumers.web.problems import invalid_parameter

# Databases have 64 bits for a number.
MAX_ID = 2**63 - 1

_MAX_TOKEN = 1000  # characters


def encode_page_token(kind: str, values: Sequence[str | int]) -> str:
    """Return the token of the row with these values."""
    text = json.dumps([kind, *values], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_page_token(kind: str, token: str, types: Sequence[type]) -> list[Any]:
    """Return the values of a token. Raises Problem if the token is not one of this kind."""
    try:
        if len(token) > _MAX_TOKEN:
            raise ValueError
        found = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        if not isinstance(found, list) or [type(each) for each in found] != [str, *types] or found[0] != kind:
            raise ValueError
    except (ValueError, RecursionError):
        raise invalid_parameter("page_token", "use the next_page_token of an answer to the same question") from None
    return found[1:]
