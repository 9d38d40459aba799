"""The removal of a secret from text for people."""

import re
from collections.abc import Callable
from functools import partial
from urllib.parse import quote_plus

from producer.providers.http.parsing import ELLIPSIS

# Fewer characters than this of a secret reveal nothing.
_REVEALING = 4


def make_redactor(secret: str) -> Callable[[str], str]:
    """Return a function that replaces the secret in a text by `***`, even if the text was truncated inside it."""
    spellings = {secret, quote_plus(secret)} - {""}
    truncated = {f"{each[:length]}{ELLIPSIS}" for each in spellings for length in range(_REVEALING, len(each))}
    longest_first = sorted(spellings | truncated, key=len, reverse=True)
    # Without a secret, the pattern matches nothing.
    pattern = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")
    return partial(pattern.sub, "***")
