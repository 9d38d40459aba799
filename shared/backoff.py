"""Delays between retries, in seconds: they double up to a cap, with jitter so that clients do not retry together."""

import random

# Enough to reach any cap; a larger exponent would overflow a float.
_MAX_DOUBLINGS = 30


def backoff_delay(retries: int, first: float, cap: float) -> float:
    """Return the delay in seconds before retry number `retries + 1`.

    The upper bound starts at `first` seconds and doubles with each retry, up to `cap` seconds. The delay is random
    between half the bound and the bound.
    """
    bound = min(cap, first * 2 ** min(retries, _MAX_DOUBLINGS))
    return random.uniform(bound / 2, bound)  # noqa: S311 - not for secrets


class Backoff:
    """Counts the retries of one operation and gives the delay before each."""

    def __init__(self, first: float = 0.2, cap: float = 5.0) -> None:
        """Take the upper bound of the first delay and the upper bound of every delay, in seconds."""
        self._first = first
        self._cap = cap
        self._retries = 0

    def next_delay(self) -> float:
        """Return the delay in seconds before the next retry, and count that retry."""
        delay = backoff_delay(self._retries, self._first, self._cap)
        self._retries += 1
        return delay

    def reset(self) -> None:
        """Start again with the first delay, after a success."""
        self._retries = 0
