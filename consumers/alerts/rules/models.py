"""The parts of an alert rule."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from consumers.alerts.conditions.base import Condition, Level, divide
from consumers.alerts.rules.options import Options

EVERY_SYMBOL = "*"


class Terms(NamedTuple):
    """A symbol (or `*` for each symbol separately) and a condition: `AAPL crossing up 200`."""

    symbol: str
    condition: Condition

    def __str__(self) -> str:
        """Return the text that `parse_terms` reads back."""
        return f"{self.symbol} {self.condition}"


@dataclass(frozen=True, slots=True)
class Rule:
    """Named terms with options.

    `revision` numbers the change that added or edited the rule. `created_at` is the time of the first revision, and
    `changed_at` that of the last change, if the rule was edited, enabled or disabled.
    """

    id: int
    name: str
    terms: Terms
    revision: int
    options: Options = field(default_factory=Options)
    enabled: bool = True
    silenced_until: datetime | None = None
    created_at: datetime | None = None
    changed_at: datetime | None = None

    @property
    def condition(self) -> Condition:
        return self.terms.condition

    @property
    def is_tracked(self) -> bool:
        """Return True if the state of the rule does not follow from the last two prices, and must be stored."""
        return self.options.rearm is not None or self.options.hold is not None

    def levels(self) -> dict[Level, bool]:
        """Return the levels at which an event may change the state of the rule, or make it fire.

        The values tell if the first price beyond the level may make it fire too.
        """
        regions = self.condition.regions()
        levels: dict[Level, bool] = {}
        if self.options.resolved or self.options.hold is not None:
            levels |= dict.fromkeys((level for region in regions for level in region.end()), False)
        if self.options.rearm is not None and self.condition.rearms is not None:
            levels[Level(self.condition.rearms, float(self.options.rearm))] = False
        begin = (level for region in regions for level in region.begin())
        return levels | dict.fromkeys(begin, self.condition.is_state)

    def rescaled(self, ratio: Decimal) -> "Rule":
        """Return the rule after a split, with its prices divided by the ratio."""
        rearm = self.options.rearm
        options = replace(self.options, rearm=None if rearm is None else divide(rearm, ratio))
        return replace(self, terms=Terms(self.terms.symbol, self.condition.rescaled(ratio)), options=options)
