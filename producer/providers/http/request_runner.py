"""One round of calls to a provider: many side by side, and none more once they have become useless."""

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TypeVar
from urllib.parse import quote_plus

from producer.providers.base import Quote, QuoteResults
from producer.providers.http.apis.base import Api, Json, QuoteRequest
from producer.providers.http.circuit_breaker import CircuitBreaker
from producer.providers.http.client import Client
from producer.providers.http.parsing import ELLIPSIS
from producer.providers.http.responses import read_response
from producer.providers.http.throttle import Throttle
from shared.errors import AuthenticationFailed, InvalidResponse, ProviderError, RateLimited, UnknownSymbol

# Calls under way at once.
CONNECTIONS = 64

# Fewer characters than this of a key tell nothing.
_TELLING = 4

Found = TypeVar("Found")
# The answers of a call, and the calls to make in its place.
Outcome = tuple[QuoteResults, Sequence[QuoteRequest]]


class RequestRunner:
    """Calls `api` by `client`, and keeps account of how it fares in `circuit`; `secret` is taken out of every error.

    `pay` is called, with the price in credits, for calls that nobody has paid for; it may raise RateLimited. `unspent`
    are the credits of calls that were paid for, but never made.
    """

    def __init__(
        self,
        api: Api,
        client: Client,
        circuit: CircuitBreaker,
        pay: Callable[[int], None],
        pace: Throttle,
        secret: str,
        clock: Callable[[], datetime],
    ) -> None:
        self.circuit = circuit
        self.unspent = 0
        self._api = api
        self._client = client
        self.pay = pay
        self._secret = _find_pattern(secret)
        self._clock = clock
        self._pace = pace
        self._lock = threading.Lock()
        self._halt: ProviderError | None = None

    def run(self, calls: Sequence[QuoteRequest]) -> QuoteResults:
        """An answer for every symbol of these calls."""
        answers: dict[str, Quote | ProviderError] = {}
        while calls:
            outcomes = self._run_side_by_side(calls)
            paid, unpaid = self._pay_for([call for _, instead in outcomes for call in instead])
            answers |= {symbol: answer for found, _ in [*outcomes, (unpaid, ())] for symbol, answer in found.items()}
            calls = paid
        return answers

    def get(
        self, path: str, query: Mapping[str, str], cost: int, read: Callable[[Json], Found], *, spare: bool = False
    ) -> Found:
        """What `read` makes of the answer to one GET, which costs so many credits. Raises ProviderError.

        Of a `spare` call, which others can stand in for, a bad answer says nothing of how the provider fares.
        """
        self._check_halt(cost)
        self._pace.wait()
        # What was found out by others while this call waited for its turn.
        self._check_halt(cost)
        try:
            found = read(read_response(self._api, self._client.get(path, query, cost), self._clock()))
        except InvalidResponse as error:
            raise (error if spare else self._note_failure(error)) from None
        except ProviderError as error:
            raise self._note_failure(error) from None
        self._note_success()
        return found

    def _run_side_by_side(self, calls: Sequence[QuoteRequest]) -> Sequence[Outcome]:
        # One call tells whether a provider that is not proven is worth the others.
        alone = 0 if self.circuit.proven else 1
        outcomes = [self._run(call) for call in calls[:alone]]
        if calls[alone:]:
            with ThreadPoolExecutor(min(CONNECTIONS, len(calls) - alone), self._api.name) as pool:
                outcomes += pool.map(self._run, calls[alone:])
        return outcomes

    def _run(self, call: QuoteRequest) -> Outcome:
        price = cost(self._api, call)
        try:
            found = self.get(call.path, call.query, price, call.read, spare=bool(call.fallback))
        except (InvalidResponse, UnknownSymbol) as error:
            return ({}, call.fallback) if call.fallback else (dict.fromkeys(call.symbols, error), ())
        except ProviderError as error:
            return dict.fromkeys(call.symbols, error), ()
        # A limit or a refusal may stand in the place of one symbol of a batch, but means all of them.
        for answer in found.values():
            if isinstance(answer, RateLimited | AuthenticationFailed):
                self._note_failure(answer)
        nothing = InvalidResponse("has nothing of this symbol in its answer")
        return {symbol: self._clean(found.get(symbol, nothing)) for symbol in call.symbols}, ()

    def _pay_for(self, calls: Sequence[QuoteRequest]) -> tuple[Sequence[QuoteRequest], QuoteResults]:
        """Those that there is room for, and the error of the symbols of the others."""
        try:
            self.pay(sum(cost(self._api, call) for call in calls))
        except RateLimited:
            return self._pay_one_by_one(calls)
        return calls, {}

    def _pay_one_by_one(self, calls: Sequence[QuoteRequest]) -> tuple[Sequence[QuoteRequest], QuoteResults]:
        for place, call in enumerate(calls):
            try:
                self.pay(cost(self._api, call))
            except RateLimited as error:
                return calls[:place], {symbol: error for left in calls[place:] for symbol in left.symbols}
        return calls, {}

    def _check_halt(self, cost: int) -> None:
        """Raises ProviderError where a call is of no use any more; what was paid for it is not spent."""
        with self._lock:
            if self._halt is not None:
                self.unspent += cost
                raise self._halt

    def _note_success(self) -> None:
        with self._lock:
            # A limit, or a refusal, stands whatever was under way beside it.
            if not isinstance(self._halt, RateLimited | AuthenticationFailed):
                self.circuit = self.circuit.succeeded()
                self._halt = None

    def _note_failure(self, error: ProviderError) -> ProviderError:
        """Count it, unless it is about a symbol alone; returns the error, fit to be shown."""
        self._clean(error)
        with self._lock:
            if not isinstance(error, UnknownSymbol) and _outweighs(error, self._halt):
                self.circuit = self.circuit.failed(error, self._clock())
                open_circuit = self.circuit.read_error(self._clock())
                self._halt = error if isinstance(error, AuthenticationFailed) else open_circuit
        return error

    def _clean(self, answer: "Quote | ProviderError") -> "Quote | ProviderError":
        """The answer, without the key that a provider may quote in its words."""
        if isinstance(answer, ProviderError):
            answer.args = tuple(self._secret.sub("***", str(each)) for each in answer.args)
        return answer


def cost(api: Api, call: QuoteRequest) -> int:
    """What a call costs, in credits."""
    return len(call.symbols) if api.credit_per_symbol else 1


def _outweighs(error: ProviderError, halt: ProviderError | None) -> bool:
    """Whether this error, of a call that was under way, says more than why no others are made."""
    if halt is None or isinstance(error, AuthenticationFailed):
        return True
    if not isinstance(error, RateLimited) or isinstance(halt, AuthenticationFailed):
        return False
    return not isinstance(halt, RateLimited) or error.retry_at > halt.retry_at


def _find_pattern(secret: str) -> re.Pattern[str]:
    """What finds it, also where somebody's words were cut off in the middle of it."""
    whole = {secret, quote_plus(secret)} - {""}
    cut = {f"{each[:length]}{ELLIPSIS}" for each in whole for length in range(_TELLING, len(each))}
    longest_first = sorted(whole | cut, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")
