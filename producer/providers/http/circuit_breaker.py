"""Leaving a provider alone that keeps failing, limits us or refuses the key, until it has had time to get better.

Source of the pattern: https://martinfowler.com/bliki/CircuitBreaker.html
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Boolean, Column, Connection, Integer, Table, Text, delete, insert, select

from producer.state import metadata
from shared.errors import AuthenticationFailed, ProviderError, ProviderUnavailable, RateLimited
from shared.times import from_micros, to_micros

# Calls that fail one after the other, before the provider is left alone.
THRESHOLD = 5
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(minutes=30)
# A key that is refused may be good again when its plan has been paid: until then one call an hour tells.
REFUSED_PAUSE = timedelta(hours=1)

# The longest pause of each kind; no limit is kept to for longer than a day.
_LONGEST = {"failing": LONGEST_PAUSE, "limited": timedelta(days=1), "refused": REFUSED_PAUSE}

circuit = Table(
    "circuit",
    metadata,
    Column("account", Text, primary_key=True),
    Column("proven", Boolean, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("pauses", Integer, nullable=False),
    Column("until", BigInteger),
    Column("kind", Text, nullable=False),
    Column("reason", Text, nullable=False),
)


@dataclass(frozen=True)
class CircuitBreaker:
    """How a provider has fared: `failures` and `pauses` in a row, and until when it is left alone and why.

    `proven` says that its last call went well; one that is not is tried with a single call before the others.
    """

    proven: bool = False
    failures: int = 0
    pauses: int = 0
    until: datetime | None = None
    kind: str = "failing"
    reason: str = ""

    def succeeded(self) -> "CircuitBreaker":
        return CircuitBreaker(proven=True)

    def failed(self, error: ProviderError, now: datetime) -> "CircuitBreaker":
        """After a call that gave nothing."""
        if isinstance(error, RateLimited):
            return replace(self, until=error.retry_at, kind="limited", reason=str(error))
        if isinstance(error, AuthenticationFailed):
            return CircuitBreaker(until=now + REFUSED_PAUSE, kind="refused", reason=str(error))
        failures = self.failures + 1
        if failures < THRESHOLD and not self.pauses:
            return replace(self, proven=False, failures=failures)
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**self.pauses)
        return CircuitBreaker(False, failures, min(self.pauses + 1, 10), now + pause, "failing", str(error))

    def read_error(self, now: datetime) -> ProviderError | None:
        """Why no call may be made now, if none may."""
        # A pause that is longer than any was set by a clock that has been set back since.
        if self.until is None or not now < self.until <= now + _LONGEST[self.kind]:
            return None
        if self.kind == "limited":
            return RateLimited(self.reason, self.until)
        words = f"is left alone until {self.until:%Y-%m-%d %H:%M:%S} UTC: {self.reason}"
        return AuthenticationFailed(words) if self.kind == "refused" else ProviderUnavailable(words)


def load_circuit_breaker(connection: Connection, name: str) -> CircuitBreaker:
    row = connection.execute(select(circuit).where(circuit.c.account == name)).one_or_none()
    if row is None:
        return CircuitBreaker()
    until = None if row.until is None else from_micros(row.until)
    return CircuitBreaker(row.proven, row.failures, row.pauses, until, row.kind, row.reason)


def save_circuit_breaker(connection: Connection, name: str, state: CircuitBreaker) -> None:
    until = None if state.until is None else to_micros(state.until)
    connection.execute(delete(circuit).where(circuit.c.account == name))
    connection.execute(
        insert(circuit).values(
            account=name,
            proven=state.proven,
            failures=state.failures,
            pauses=state.pauses,
            until=until,
            kind=state.kind,
            reason=state.reason,
        )
    )


def reset_circuit_breaker(connection: Connection, name: str) -> None:
    """Give the provider of this account another try."""
    connection.execute(delete(circuit).where(circuit.c.account == name))
