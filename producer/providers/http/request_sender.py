"""A request to a provider, under its throttle and circuit breaker, with its errors as whole sentences."""

import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from producer.providers.base import Quote
from producer.providers.http.apis.base import Api, QuoteRequest, Request, Result
from producer.providers.http.circuit_guard import CircuitGuard
from producer.providers.http.client import Client
from producer.providers.http.responses import read_response
from producer.providers.http.throttle import Throttle
from shared.errors import AuthenticationFailed, InvalidResponse, ProviderError, RateLimited, UnreadableResponse


class RequestSender:
    """Sends requests from any thread.

    `reserve` reserves credits for a retry, or raises RateLimited. `complete` makes a sentence of an error's details.
    `unused_credits` counts the credits of requests that were not sent because the circuit was open.
    """

    def __init__(
        self,
        api: Api,
        client: Client,
        guard: CircuitGuard,
        throttle: Throttle,
        reserve: Callable[[int], None],
        complete: Callable[[ProviderError], ProviderError],
        clock: Callable[[], datetime],
    ) -> None:
        self.unused_credits = 0
        self._api = api
        self._client = client
        self._guard = guard
        self._throttle = throttle
        self._reserve = reserve
        self._complete = complete
        self._clock = clock
        self._lock = threading.Lock()
        self._reading = threading.Lock()

    @property
    def half_open(self) -> bool:
        return self._guard.circuit.half_open

    def send(self, request: Request[Result], cost: int, *, has_fallback: bool = False) -> Result:
        """Send one request, whose `cost` in credits is reserved, and return its result. Raises ProviderError.

        An invalid answer does not count as a failure of the provider if it concerns one symbol, or has a fallback.
        """
        self._check(cost)
        self._throttle.wait()
        # Other requests may have opened the circuit in the meantime.
        self._check(cost)
        try:
            response = self._client.get(request.path, request.query, partial(self._reserve, cost))
            # One at a time: an answer as Python objects may take thirty times the memory of its text.
            with self._reading:
                result = request.read(read_response(self._api, response, self._clock()))
        except ProviderError as error:
            completed = self._complete(error)
            if not (isinstance(error, InvalidResponse) and (has_fallback or _concerns_one_symbol(request, error))):
                self._guard.record_failure(completed)
            raise completed from None
        self._guard.record_success()
        return result

    def complete_result(self, result: Quote | ProviderError) -> Quote | ProviderError:
        """Return the result of one symbol in an answer, with its error as a whole sentence.

        A rate limit or a rejected key may come in place of one symbol, but concerns the whole account.
        """
        if isinstance(result, Quote):
            return result
        completed = self._complete(result)
        if isinstance(completed, RateLimited | AuthenticationFailed):
            self._guard.record_failure(completed)
        return completed

    def _check(self, cost: int) -> None:
        try:
            self._guard.check()
        except ProviderError:
            with self._lock:
                self.unused_credits += cost
            raise


def _concerns_one_symbol(request: Request[Any], error: InvalidResponse) -> bool:
    """Return True if the request has one symbol, and its answer was at least readable."""
    is_for_one = not isinstance(request, QuoteRequest) or len(request.symbols) == 1
    return is_for_one and not isinstance(error, UnreadableResponse)
