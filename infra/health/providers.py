"""The providers of the settings: their last delivery, credits and circuit breakers."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from consumers.web.health import CircuitHealth, CreditHealth, ProviderHealth
from infra.health.syncs import StoredSync, last_delivery, rejected_key
from producer.providers.http.circuit_breaker import CircuitBreaker, circuit_breaker, load_circuit_breaker
from producer.providers.http.quota import DAY, MINUTE, Usage, quota_usage, read_usage
from producer.state import open_state_for_reading
from shared.accounts import Account
from shared.prices import is_real
from shared.settings import Settings
from shared.times import format_instant, midnight_of


def read_providers(
    settings: Settings, syncs: Sequence[StoredSync], folder: Path, now: datetime
) -> list[ProviderHealth]:
    """Return the providers in failover order. Creates no file. Raises StorageError."""
    return [_provider(name, settings.accounts.get(name), syncs, folder, now) for name in settings.provider]


def _provider(
    name: str, account: Account | None, syncs: Sequence[StoredSync], folder: Path, now: datetime
) -> ProviderHealth:
    delivered = last_delivery(syncs, name)
    if account is None:
        return ProviderHealth(name, is_real(name), delivered, None, (), None)
    fingerprint = account.fingerprint(name)
    with open_state_for_reading(folder, quota_usage) as connection:
        usage = read_usage(connection, fingerprint) if connection else []
    circuit = _read_circuit(folder, fingerprint, now)
    error = rejected_key(syncs, name) or (circuit.reason if circuit.state != "closed" else None)
    return ProviderHealth(
        name, is_real(name), delivered, error or None, list(describe_credits(account, usage, now)), circuit
    )


def _read_circuit(folder: Path, fingerprint: str, now: datetime) -> CircuitHealth:
    with open_state_for_reading(folder, circuit_breaker) as connection:
        circuit = load_circuit_breaker(connection, fingerprint) if connection else CircuitBreaker()
    return describe_circuit(circuit, now)


def describe_circuit(circuit: CircuitBreaker, now: datetime) -> CircuitHealth:
    """Return the state of a circuit. A provider that was never asked has a closed one."""
    error = circuit.open_error(now)
    if error is not None and circuit.retry_at is not None:
        return CircuitHealth("open", format_instant(circuit.retry_at), str(error))
    if not circuit.half_open or not (circuit.failures or circuit.trips or circuit.reason):
        return CircuitHealth("closed", None, circuit.reason)
    requests = "request" if circuit.failures == 1 else f"{circuit.failures} requests"
    unknown = f"the last {requests} failed; the log of the worker has the reasons"
    return CircuitHealth("half_open", None, circuit.reason or unknown)


def describe_credits(account: Account, usage: Sequence[Usage], now: datetime) -> Iterator[CreditHealth]:
    """Yield the credits of the plan per minute and per day, if it has such limits."""
    # A time in the future is from before the clock was set back: the producer counts it as now.
    counted = [(min(at, now), amount) for at, amount in usage]
    if account.per_minute is not None:
        recent = [each for each in counted if each[0] > now - MINUTE]
        resets_at = max((at for at, _ in recent), default=None)
        yield _credit("minute", account.per_minute, recent, resets_at and resets_at + MINUTE)
    if account.per_day is not None:
        today = [each for each in counted if each[0] >= midnight_of(now)]
        yield _credit("day", account.per_day, today, midnight_of(now) + DAY)


def _credit(
    period: Literal["minute", "day"], limit: int, usage: Sequence[Usage], resets_at: datetime | None
) -> CreditHealth:
    used = max(0, sum(amount for _, amount in usage))
    resets = None if resets_at is None else format_instant(resets_at)
    return CreditHealth(period, limit, used, max(0, limit - used), resets)
