"""A circuit breaker per account: after repeated failures, a rate limit or a rejected key, requests pause for a while.

Source of the pattern: https://martinfowler.com/bliki/CircuitBreaker.html
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Boolean, Column, Connection, Integer, Table, Text, delete, insert, select

from producer.providers.http.provider_errors import with_retry_time
from producer.state import metadata
from shared.errors import AuthenticationFailed, ProviderError, ProviderUnavailable, RateLimited
from shared.times import from_micros, to_micros

# Failures in a row that open a closed circuit.
FAILURE_THRESHOLD = 5
# The circuit stays open for this time after its first trip, and for twice as long after each further trip.
MIN_OPEN_TIME = timedelta(minutes=1)
MAX_OPEN_TIME = timedelta(minutes=30)
# A rejected key may become valid again, for example after payment. Until then, one request per hour is enough.
REJECTED_KEY_OPEN_TIME = timedelta(hours=1)

_FAILING, _RATE_LIMITED, _AUTHENTICATION_FAILED = "failing", "rate_limited", "authentication_failed"
# The longest time that the circuit stays open, by kind. No rate limit is respected for more than a day.
_MAX_OPEN_TIMES = {
    _FAILING: MAX_OPEN_TIME,
    _RATE_LIMITED: timedelta(days=1),
    _AUTHENTICATION_FAILED: REJECTED_KEY_OPEN_TIME,
}

# `retry_at` is in microseconds since 1970, UTC.
circuit_breaker = Table(
    "circuit_breaker",
    metadata,
    Column("account", Text, primary_key=True),
    Column("half_open", Boolean, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("trips", Integer, nullable=False),
    Column("retry_at", BigInteger),
    Column("kind", Text, nullable=False),
    Column("reason", Text, nullable=False),
)


@dataclass(frozen=True)
class CircuitBreaker:
    """The state of one account's circuit; each method returns the next state.

    The circuit is open until `retry_at`, because of `reason`. While it is `half_open`, one request must succeed before
    others are sent with it; it starts so, since nothing is known about the provider. `failures` and `trips` (times that
    it opened) are counted since the last success.
    """

    half_open: bool = True
    failures: int = 0
    trips: int = 0
    retry_at: datetime | None = None
    kind: str = _FAILING
    reason: str = ""

    def succeeded(self) -> "CircuitBreaker":
        return CircuitBreaker(half_open=False)

    def failed(self, error: ProviderError, now: datetime) -> "CircuitBreaker":
        if isinstance(error, RateLimited):
            return replace(self, retry_at=error.retry_at, kind=_RATE_LIMITED, reason=str(error))
        if isinstance(error, AuthenticationFailed):
            retry_at = now + REJECTED_KEY_OPEN_TIME
            return CircuitBreaker(retry_at=retry_at, kind=_AUTHENTICATION_FAILED, reason=str(error))
        failures = self.failures + 1
        if failures < FAILURE_THRESHOLD and not self.trips:
            return replace(self, half_open=True, failures=failures)
        retry_at = now + min(MAX_OPEN_TIME, MIN_OPEN_TIME * 2**self.trips)
        # Ten trips are far beyond the longest time, and keep the power small.
        return CircuitBreaker(True, failures, min(self.trips + 1, 10), retry_at, _FAILING, str(error))

    def open_error(self, now: datetime) -> ProviderError | None:
        """Return the error for a request while the circuit is open, or None if it is not open."""
        # A time further ahead than any open time is from before the clock was set back.
        if self.retry_at is None or not now < self.retry_at <= now + _MAX_OPEN_TIMES[self.kind]:
            return None
        if self.kind == _RATE_LIMITED:
            return RateLimited(self.reason, self.retry_at)
        message = with_retry_time(self.reason, self.retry_at)
        return AuthenticationFailed(message) if self.kind == _AUTHENTICATION_FAILED else ProviderUnavailable(message)


def load_circuit_breaker(connection: Connection, name: str) -> CircuitBreaker:
    """Return the stored circuit breaker of the account `name`, or a new one."""
    query = select(circuit_breaker).where(circuit_breaker.c.account == name)
    row = connection.execute(query).one_or_none()
    if row is None:
        return CircuitBreaker()
    retry_at = None if row.retry_at is None else from_micros(row.retry_at)
    return CircuitBreaker(row.half_open, row.failures, row.trips, retry_at, row.kind, row.reason)


def save_circuit_breaker(connection: Connection, name: str, state: CircuitBreaker) -> None:
    retry_at = None if state.retry_at is None else to_micros(state.retry_at)
    reset_circuit_breaker(connection, name)
    connection.execute(
        insert(circuit_breaker).values(
            account=name,
            half_open=state.half_open,
            failures=state.failures,
            trips=state.trips,
            retry_at=retry_at,
            kind=state.kind,
            reason=state.reason,
        )
    )


def reset_circuit_breaker(connection: Connection, name: str) -> None:
    """Delete the stored state, so that the next request is sent."""
    connection.execute(delete(circuit_breaker).where(circuit_breaker.c.account == name))
