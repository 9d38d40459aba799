"""The result of a rule on the stored prices as the API tells it. `infra` tries the rule; nothing here does I/O."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TriedSymbol:
    """The stored prices of a symbol that the rule has seen, and how often it fired."""

    symbol: str
    providers: Sequence[str]
    prices: int
    first: str
    last: str
    firings: int


@dataclass(frozen=True)
class DryRunFiring:
    """A price with which the rule would have fired, or with which its condition would have ended."""

    as_of: str
    symbol: str
    price: str
    state: Literal["firing", "resolved"]
    provider: str


@dataclass(frozen=True)
class SuspectedSplit:
    """A jump that may be a split. The rule was held from then on."""

    symbol: str
    as_of: str
    previous_price: str
    price: str
    ratio: str


@dataclass(frozen=True)
class DryRun:
    """A rule on the stored prices since a time. `cut` says what was left out, and is null if all was tried."""

    when: str
    since: str
    summary: str
    cut: str | None
    symbols: Sequence[TriedSymbol]
    firings: Sequence[DryRunFiring]
    suspected_splits: Sequence[SuspectedSplit]
