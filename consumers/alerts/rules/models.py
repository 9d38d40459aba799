"""The parts of an alert rule."""

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from consumers.alerts.conditions.base import Operator
from shared.prices import format_price

EVERY_SYMBOL = "*"


class Condition(NamedTuple):
    """A symbol (or `*` for each symbol separately), an operator and a threshold: `AAPL crossing up 200`."""

    symbol: str
    operator: Operator
    threshold: Decimal

    def __str__(self) -> str:
        """Return the text that `parse_condition` reads back."""
        return f"{self.symbol} {self.operator.phrase} {format_price(self.threshold)}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A named condition; `revision` numbers the change that added the rule."""

    id: int
    name: str
    condition: Condition
    revision: int
