"""The circuit breaker of one account while requests run in several threads."""

import threading
from collections.abc import Callable
from datetime import datetime

from producer.providers.http.circuit_breaker import CircuitBreaker
from shared.errors import AuthenticationFailed, ProviderError, RateLimited, UnknownSymbol


class CircuitGuard:
    """Records the outcome of each request in `circuit`, and stops further requests while the circuit is open."""

    def __init__(self, circuit: CircuitBreaker, clock: Callable[[], datetime]) -> None:
        self.circuit = circuit
        self._clock = clock
        self._lock = threading.Lock()
        self._error: ProviderError | None = None

    def check(self) -> None:
        """Raise the error that opened the circuit, if it is open."""
        with self._lock:
            if self._error is not None:
                raise self._error

    def record_success(self) -> None:
        with self._lock:
            # A rate limit or a rejected key outlasts the success of a request that was already under way.
            if not isinstance(self._error, RateLimited | AuthenticationFailed):
                self.circuit = self.circuit.succeeded()
                self._error = None

    def record_failure(self, error: ProviderError) -> None:
        """Record an error of the provider. An error about one symbol is not recorded."""
        with self._lock:
            if not isinstance(error, UnknownSymbol) and _outranks(error, self._error):
                now = self._clock()
                self.circuit = self.circuit.failed(error, now)
                self._error = error if isinstance(error, AuthenticationFailed) else self.circuit.open_error(now)


def _outranks(error: ProviderError, current: ProviderError | None) -> bool:
    """Return True if the error of a request that was already under way replaces the current error."""
    if current is None or isinstance(error, AuthenticationFailed):
        return True
    if not isinstance(error, RateLimited) or isinstance(current, AuthenticationFailed):
        return False
    return not isinstance(current, RateLimited) or error.retry_at > current.retry_at
