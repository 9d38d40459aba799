"""How long to wait between tries: longer each time up to a cap, and jittered, so that many do not come back at once."""

import random


class Backoff:
    """Waits in seconds: between half and all of `first`, twice that the next time, and so on up to `cap`."""

    def __init__(self, first: float = 0.2, cap: float = 5.0) -> None:
        self._first = first
        self._cap = cap
        self._tries = 0

    def next(self) -> float:
        longest = min(self._cap, self._first * 2 ** min(self._tries, 30))
        self._tries += 1
        return random.uniform(longest / 2, longest)  # noqa: S311 - not for secrets

    def reset(self) -> None:
        self._tries = 0
