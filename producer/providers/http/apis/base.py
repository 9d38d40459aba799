"""A provider's API as data: the requests to send, and how to read their answers. Nothing here does I/O."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from producer.providers.base import Interval, InvalidBar, Quote, QuoteResults
from shared.accounts import Account
from shared.errors import ProviderError
from shared.splits import Split

# JSON as `parsing.parse_json` returns it, with numbers as int and Decimal.
Json = Any

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Request(Generic[Result]):
    """A GET request. `read` converts the JSON of the answer; it raises ProviderError if the answer is unusable."""

    path: str
    query: Mapping[str, str]
    read: Callable[[Json], Result]


@dataclass(frozen=True)
class QuoteRequest(Request[QuoteResults]):
    """A request for the quotes of these symbols. A symbol that `read` leaves out has no price.

    `fallback` has the requests to send instead if the provider does not serve this one.
    """

    symbols: Sequence[str]
    fallback: Sequence["QuoteRequest"] = ()


@dataclass(frozen=True)
class HistoryRequest(Request[Sequence[Quote | InvalidBar | Split]]):
    """A request for past prices of one symbol. `read` returns them in any order, and may return more than asked for.

    The splits of the symbol are among them if the provider tells any.
    """


@dataclass(frozen=True)
class RequestAuth:
    """Headers and query parameters, with the key among them, that every request of an account has."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)


class Api(Protocol):
    """The API of one provider, for one account."""

    @property
    def name(self) -> str:
        """The provider's name in settings and events."""
        ...

    @property
    def display_name(self) -> str:
        """The provider's name in messages."""
        ...

    @property
    def batch_size(self) -> int:
        """The most symbols that one request may have."""
        ...

    @property
    def credit_per_symbol(self) -> bool:
        """Return True if a request costs one credit per symbol, False if it costs one credit."""
        ...

    @property
    def requests_per_second(self) -> float | None:
        """The provider's limit, or None if it has none."""
        ...

    def authenticate(self, account: Account) -> RequestAuth: ...

    def quote_requests(self, symbols: Sequence[str], at: datetime) -> Sequence[QuoteRequest]:
        """Return the requests for the quotes of all these symbols; `at` is the current time."""
        ...

    def read_error(self, status: int, answer: Json, now: datetime) -> ProviderError | None:
        """Return the error that the provider reports in the JSON of its answer, or None to let the status decide."""
        ...


@runtime_checkable
class HistoricalApi(Api, Protocol):
    """An API that also has past prices."""

    @property
    def asks_up_to_now(self) -> bool:
        """Return True if a request must reach up to now, because prices before a split are divided by its ratio."""
        ...

    def max_range(self, interval: Interval) -> timedelta:
        """Return the longest time range of one request. Raises ProviderError if the API lacks the interval."""
        ...

    def history_request(self, symbol: str, interval: Interval, since: datetime, until: datetime) -> HistoryRequest: ...


def request_cost(api: Api, request: QuoteRequest) -> int:
    """Return the credits that a request costs."""
    return len(request.symbols) if api.credit_per_symbol else 1


def in_batches(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """Split the items, in their order, into sequences of at most `size`."""
    return [items[first : first + size] for first in range(0, len(items), size)]
