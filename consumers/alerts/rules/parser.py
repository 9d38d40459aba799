"""What a rule says, and its one line of text: `AAPL crossing up 200`."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from shared.errors import InvalidEvent
from shared.prices import format_price, read_price
from shared.symbols import check_symbol

EVERY_SYMBOL = "*"
MAX_NAME = 128


class Condition(StrEnum):
    """TradingView's terms; the values stand in events and routing keys.

    Source: https://www.tradingview.com/support/solutions/43000520149-introduction-to-tradingview-alerts/
    """

    ABOVE = "above"
    BELOW = "below"
    CROSSING = "crossing"
    CROSSING_UP = "crossing_up"
    CROSSING_DOWN = "crossing_down"

    @property
    def phrase(self) -> str:
        """As people write it: `crossing up`."""
        return self.value.replace("_", " ")


class Terms(NamedTuple):
    """A symbol, or `*` for each symbol on its own; a condition; the price it is about."""

    symbol: str
    condition: Condition
    threshold: Decimal

    def __str__(self) -> str:
        """The text that `parse_condition` reads back."""
        return f"{self.symbol} {self.condition.phrase} {format_price(self.threshold)}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A named rule; `revision` is the state of the rule book from which on it holds."""

    id: int
    name: str
    symbol: str
    condition: Condition
    threshold: Decimal
    revision: int

    @property
    def terms(self) -> Terms:
        return Terms(self.symbol, self.condition, self.threshold)


SUPPORTED = ", ".join(condition.phrase for condition in Condition)

_EXAMPLE = 'such as "AAPL crossing up 200"'
# The longest first: `crossing up` is no `crossing` at a price of `up`.
_PHRASES = sorted(((tuple(each.phrase.split()), each) for each in Condition), key=lambda pair: -len(pair[0]))


def parse_condition(text: str) -> Terms:
    """The terms in a text such as `AAPL crossing up 200`, in upper or lower case.

    Raises ValueError that says what is wrong and what is right.
    """
    words = text.split()
    if len(words) < 2:
        raise ValueError(f"{text!r} is no condition: write SYMBOL CONDITION PRICE, {_EXAMPLE}")
    condition, rest = _split_condition(words[1:])
    if len(rest) != 1:
        found = f"{' '.join(rest)!r}" if rest else "nothing"
        raise ValueError(f"after {condition.phrase!r} stands {found} where one price belongs, {_EXAMPLE}")
    return Terms(_parse_symbol(words[0]), condition, _parse_threshold(rest[0]))


def check_name(name: str) -> str:
    """The name of a rule; raises ValueError where it is none."""
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise ValueError(f"{name[:40]!r} is no name for a rule: use 1-{MAX_NAME} printable characters")
    return name


def _split_condition(words: list[str]) -> tuple[Condition, list[str]]:
    lowered = tuple(word.lower() for word in words)
    for phrase, condition in _PHRASES:
        if lowered[: len(phrase)] == phrase:
            return condition, words[len(phrase) :]
    raise ValueError(f"condition {' '.join(words)!r} is not supported: use one of {SUPPORTED}, {_EXAMPLE}")


def _parse_symbol(word: str) -> str:
    if word == EVERY_SYMBOL:
        return word
    try:
        return check_symbol(word.upper())
    except InvalidEvent as error:
        raise ValueError(f"{error}; * stands for every symbol") from error


def _parse_threshold(word: str) -> Decimal:
    try:
        return read_price(word)
    except ValueError as error:
        raise ValueError(f"price {error}: use a decimal above 0 of at most 15 digits, {_EXAMPLE}") from error
