"""A random walk whose value at any second can be computed without the seconds before.

Lévy's construction: the value in the middle of an interval is the mean of the values at both ends plus a normal
deviate. Every deviate comes from a hash, so the same name and second always give the same value.
Source: https://en.wikipedia.org/wiki/Brownian_bridge#General_case and https://en.wikipedia.org/wiki/Wiener_process
"""

import math
import struct
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from statistics import NormalDist

# All widths are powers of two, in seconds. The walk returns to zero after each period, so that it never drifts away.
PERIOD_SECONDS = 2**25  # a little over a year
SAMPLE_SECONDS = 2**6
_BLOCK_SECONDS = 2**16

_NORMAL = NormalDist()
_UNPACK = struct.Struct(">8Q").unpack
_DEVIATES_PER_HASH = 8


class BrownianBridge:
    """A standard Brownian bridge over each period, named by a text; seconds count from 1970-01-01T00:00:00Z."""

    def __init__(self, name: str) -> None:
        self._hash = blake2b(name.encode(), digest_size=8 * _DEVIATES_PER_HASH)
        self._block = lru_cache(maxsize=2)(self._compute_block)

    def at(self, second: int) -> float:
        """Return the value at this second."""
        left = right = 0.0
        position, width = second - second % PERIOD_SECONDS, PERIOD_SECONDS
        while second % width:
            [deviate] = self._deviates(width, position // width, 1)
            middle = _middle(left, right, deviate, width)
            width //= 2
            if second < position + width:
                right = middle
            else:
                left, position = middle, position + width
        return left

    def samples(self, start: int, end: int) -> list[float]:
        """Return the values at each multiple of SAMPLE_SECONDS from `start` to before `end`, oldest first."""
        found: list[float] = []
        first, after_last = -(-start // SAMPLE_SECONDS), -(-end // SAMPLE_SECONDS)
        samples_per_block = _BLOCK_SECONDS // SAMPLE_SECONDS
        for number in range(first // samples_per_block, -(-after_last // samples_per_block)):
            skipped = number * samples_per_block
            found += self._block(number)[max(0, first - skipped) : after_last - skipped]
        return found

    def _compute_block(self, number: int) -> Sequence[float]:
        """Return every sample of one block; much faster than asking for one after the other."""
        start, width = number * _BLOCK_SECONDS, _BLOCK_SECONDS
        values = [self.at(start), self.at(start + width)]
        while width > SAMPLE_SECONDS:
            deviates = self._deviates(width, start // width, len(values) - 1)
            finer = [0.0] * (2 * len(values) - 1)
            finer[::2] = values
            finer[1::2] = [
                _middle(left, right, deviate, width)
                for left, right, deviate in zip(values, values[1:], deviates, strict=False)
            ]
            values, width = finer, width // 2
        return values[:-1]

    def _deviates(self, width: int, first: int, count: int) -> list[float]:
        """Return the normal deviates of `count` intervals of this width, beginning with interval number `first`."""
        found: list[int] = []
        skipped = first % _DEVIATES_PER_HASH
        for group in range(first // _DEVIATES_PER_HASH, (first + count - 1) // _DEVIATES_PER_HASH + 1):
            digest = self._hash.copy()
            digest.update(struct.pack(">qq", width, group))
            numbers = _UNPACK(digest.digest())
            found += numbers[skipped : skipped + count - len(found)]
            skipped = 0
        # 52 bits and the half are what a float holds exactly: more could round to 1, which has no deviate.
        return [_NORMAL.inv_cdf(((number >> 12) + 0.5) / 2**52) for number in found]


def _middle(left: float, right: float, deviate: float, width: int) -> float:
    return (left + right) / 2 + deviate * math.sqrt(width) / 2
