"""The declaration of a condition: how it is written, and when it is true.

To add a condition, add one file to this package with a module constant `CONDITION`, and a test. The registry finds the
file; parser, engine, commands and messages need no change.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from decimal import Decimal
from enum import StrEnum
from math import inf, isinf, nextafter
from typing import ClassVar, NamedTuple

from consumers.alerts.conditions.metrics import Kind, Metric, Sample
from shared.prices import read_price

PRICE = Metric(Kind.PRICE)


class Direction(StrEnum):
    """The direction in which a number passes a level."""

    UP = "up"
    DOWN = "down"


class Level(NamedTuple):
    """A position that changes a rule when the number reaches it in this direction."""

    direction: Direction
    position: float


class Region(NamedTuple):
    """A closed interval of positions in which a condition is true."""

    low: float = -inf
    high: float = inf

    def begin(self) -> Iterator[Level]:
        """Yield the levels at which a number enters the region."""
        if not isinf(self.low):
            yield Level(Direction.UP, self.low)
        if not isinf(self.high):
            yield Level(Direction.DOWN, self.high)

    def end(self) -> Iterator[Level]:
        """Yield the levels at which a number leaves the region."""
        if not isinf(self.low):
            yield Level(Direction.DOWN, nextafter(self.low, -inf))
        if not isinf(self.high):
            yield Level(Direction.UP, nextafter(self.high, inf))


class Condition(ABC):
    """The part of a rule after its symbol, such as `crossing up 200`.

    Names and meanings are TradingView's:
    https://www.tradingview.com/support/solutions/43000520149-introduction-to-tradingview-alerts/

    `phrase` is the words that it begins with, `form` what to write, and `example` a rule that works. A state condition
    is true for as long as `is_true`; its rules fire when it becomes true, including on the first price. Any other
    condition is an event, which happens between two prices.
    """

    phrase: ClassVar[str]
    form: ClassVar[str]
    example: ClassVar[str]
    is_state: ClassVar[bool] = True
    # Positions that `--rearm` may have: above the threshold, below it, or None if the option is refused.
    rearms: ClassVar[Direction | None] = None
    allows_for: ClassVar[bool] = True

    @classmethod
    @abstractmethod
    def parse(cls, words: Sequence[str]) -> "Condition":
        """Return the condition with these words after its phrase. Raises ValueError, which names the wrong part."""

    @property
    @abstractmethod
    def metric(self) -> Metric:
        """The number that the condition is about."""

    @property
    @abstractmethod
    def threshold(self) -> Decimal | None:
        """The number in the condition, or None if it has not exactly one."""

    @abstractmethod
    def regions(self) -> Sequence[Region]:
        """Return the positions in which the condition is true, or into which the number moves when it happens."""

    @abstractmethod
    def is_true(self, sample: Sample) -> bool:
        """Return True if a state condition is true, or if an event condition has happened on this side."""

    def happens(self, before: Sample, now: Sample) -> bool:
        """Return True if an event condition happens between two numbers."""
        return self.is_true(now) and not self.is_true(before)

    def rescaled(self, ratio: Decimal) -> "Condition":  # noqa: ARG002 - for conditions with prices
        """Return the condition after a split, with prices divided by its ratio."""
        return self

    @classmethod
    def key(cls) -> str:
        """Return the name in events and routing keys: the name of the module, such as `crossing_up`."""
        return cls.__module__.rpartition(".")[2]


def parse_price_word(word: str) -> Decimal:
    """Return a price in a rule. Raises ValueError."""
    try:
        return read_price(word)
    except ValueError as error:
        raise ValueError(f"price {error}") from error


def take_words(words: Sequence[str], names: Sequence[str]) -> Sequence[str]:
    """Return the words, of which there must be as many as `names`, which say what each is. Raises ValueError."""
    if len(words) < len(names):
        raise ValueError(f"{names[len(words)]} is missing")
    if len(words) > len(names):
        raise ValueError(f"{' '.join(words[len(names) :])!r} was not understood")
    return words


def divide(price: Decimal, ratio: Decimal) -> Decimal:
    """Return a price after a split, at the 15 digits that a price may have."""
    return read_price(format(Decimal(f"{price / ratio:.15g}"), "f"))
