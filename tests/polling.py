"""Waiting for a condition, up to a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

DEADLINE = 20.0

Seen = TypeVar("Seen")


def eventually(look_at: Callable[[], Seen], timeout: float = DEADLINE) -> Seen:
    """Poll until the result is true, and return it. Fails after `timeout` seconds with the last result."""
    deadline = time.monotonic() + timeout
    while not (seen := look_at()):
        assert time.monotonic() < deadline, f"still {seen!r} after {timeout:g} s"
        time.sleep(0.02)
    return seen
