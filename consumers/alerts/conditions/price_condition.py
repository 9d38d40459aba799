"""The base of conditions on a price and one threshold, such as `above 200`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import ClassVar, Self

from consumers.alerts.conditions.base import PRICE, Condition, Direction, divide, parse_price_word, take_words
from consumers.alerts.conditions.metrics import Metric
from shared.prices import format_price


@dataclass(frozen=True, slots=True)
class PriceCondition(Condition):
    """A condition with one price as its threshold."""

    price: Decimal
    rearms: ClassVar[Direction | None] = None

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        (word,) = take_words(words, ["a price"])
        return cls(parse_price_word(word))

    @property
    def metric(self) -> Metric:
        return PRICE

    @property
    def threshold(self) -> Decimal:
        return self.price

    def rescaled(self, ratio: Decimal) -> Self:
        return replace(self, price=divide(self.price, ratio))

    def __str__(self) -> str:
        return f"{self.phrase} {format_price(self.price)}"
