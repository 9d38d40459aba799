"""Several requests for quotes at once, and their fallbacks."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from producer.providers.base import Quote
from producer.providers.http.apis.base import Api, QuoteRequest, request_cost
from producer.providers.http.request_sender import RequestSender
from shared.errors import InvalidResponse, ProviderError, UnknownSymbol

# Requests under way at once.
MAX_CONNECTIONS = 64

_MISSING = InvalidResponse("the answer does not have this symbol")

Results = dict[str, Quote | ProviderError]
# The results of one request, and the fallback requests to send next.
Outcome = tuple[Results, Sequence[QuoteRequest]]
# Reserves credits for requests: returns those it could pay for, and the error of each symbol of the others.
ReserveRequests = Callable[[Sequence[QuoteRequest]], tuple[Sequence[QuoteRequest], Results]]


class RequestRunner:
    """Sends requests, whose credits are reserved, by `sender`. `reserve` reserves credits for fallback requests."""

    def __init__(self, api: Api, sender: RequestSender, reserve: ReserveRequests) -> None:
        self._api = api
        self._sender = sender
        self._reserve = reserve

    def run(self, requests: Sequence[QuoteRequest]) -> Results:
        """Return a result for each symbol of these requests."""
        results: Results = {}
        while requests:
            fallbacks: list[QuoteRequest] = []
            for found, fallback in self._send_all(requests):
                results.update(found)
                fallbacks += fallback
            requests, deferred = self._reserve(fallbacks)
            results.update(deferred)
        return results

    def _send_all(self, requests: Sequence[QuoteRequest]) -> Iterator[Outcome]:
        # While the circuit is half open, one request shows whether the others are worth sending.
        probes = 1 if self._sender.half_open else 0
        yield from map(self._send, requests[:probes])
        if others := requests[probes:]:
            with ThreadPoolExecutor(min(MAX_CONNECTIONS, len(others)), self._api.name) as pool:
                yield from pool.map(self._send, others)

    def _send(self, request: QuoteRequest) -> Outcome:
        cost = request_cost(self._api, request)
        try:
            found = self._sender.send(request, cost, has_fallback=bool(request.fallback))
        except ProviderError as error:
            if request.fallback and isinstance(error, InvalidResponse | UnknownSymbol):
                return {}, request.fallback
            return dict.fromkeys(request.symbols, error), ()
        return {each: self._sender.complete_result(found.get(each, _MISSING)) for each in request.symbols}, ()
