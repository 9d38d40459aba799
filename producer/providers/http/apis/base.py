"""What a provider's API is to whoever asks it: the calls, and what the answers mean. Nothing here does I/O."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar, runtime_checkable

from producer.providers.base import Interval, Quote, QuoteResults
from shared.accounts import Account
from shared.errors import ProviderError

# What `reading.parse_json` gives: JSON with its numbers as int and Decimal.
Json = Any

Item = TypeVar("Item")


@dataclass(frozen=True)
class QuoteRequest:
    """One GET for these symbols.

    `read` makes their answers of its JSON; it may raise ProviderError for the call as a whole, and what it passes over
    has no price. `instead` is what to ask where the provider does not have this call any more.
    """

    path: str
    query: Mapping[str, str]
    symbols: Sequence[str]
    read: Callable[[Json], QuoteResults]
    fallback: Sequence["QuoteRequest"] = ()


@dataclass(frozen=True)
class HistoryRequest:
    """One GET for the past prices of one symbol; `read` gives them in any order, with what else the provider sent."""

    path: str
    query: Mapping[str, str]
    read: Callable[[Json], Sequence[Quote]]


@dataclass(frozen=True)
class RequestAuth:
    """What each call has besides: `headers` and `query`, the key among them."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)


class Api(Protocol):
    """One provider's API, made for one account."""

    @property
    def name(self) -> str: ...

    @property
    def batch_size(self) -> int:
        """How many symbols one call takes."""
        ...

    @property
    def credit_per_symbol(self) -> bool:
        """Whether a call costs a credit a symbol, or one."""
        ...

    @property
    def requests_per_second(self) -> float | None:
        """No more than this many, None where nobody says."""
        ...

    def authenticate(self, account: Account) -> RequestAuth: ...

    def quote_requests(self, symbols: Sequence[str], at: datetime) -> Sequence[QuoteRequest]:
        """The calls that ask for all of these, `batch_size` at a time; `at` is the present instant."""
        ...

    def read_error(self, status: int, answer: Json, now: datetime) -> ProviderError | None:
        """What is wrong where the provider says so in its own way, whatever the HTTP status; `answer` is any JSON.

        Its words go into the error. Where it answers None, the status alone decides.
        """
        ...


@runtime_checkable
class HistoricalApi(Api, Protocol):
    """An API that has past prices too."""

    def max_range(self, interval: Interval) -> timedelta: ...

    def history_request(self, symbol: str, interval: Interval, since: datetime, until: datetime) -> HistoryRequest: ...


def in_batches(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """All of them in their order, so many at a time."""
    return [items[first : first + size] for first in range(0, len(items), size)]
