"""The health of the pipeline as the API tells it. `infra` finds it out; nothing here does I/O.

Every instant is RFC 3339 text in UTC. Texts of providers, RabbitMQ and databases are as these wrote them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Problem:
    """A problem in words that say what to do. With a `fault` prices or alerts do not arrive, or soon will not."""

    severity: Literal["fault", "warning"]
    part: str
    text: str


@dataclass(frozen=True)
class BrokerHealth:
    """RabbitMQ, or the `error` if RabbitMQ does not answer. `address` has no password."""

    available: bool
    address: str
    product: str | None = None
    version: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class QueueHealth:
    """A queue: messages that wait, consumers that take them, and dead letters. All are null if it does not exist."""

    queue: str
    waiting: int | None
    consumers: int | None
    dead: int | None


@dataclass(frozen=True)
class ProcessHealth:
    """The worker or beat. `alive` is null if this cannot be known now."""

    alive: bool | None
    text: str


@dataclass(frozen=True)
class FailedSymbols:
    """Symbols without a price in a sync, and the reason in the words of the providers."""

    reason: str
    symbols: Sequence[str]


@dataclass(frozen=True)
class SyncHealth:
    """The newest sync in Celery's table of results. `text` tells its problems, and is empty without any."""

    at: str | None
    state: Literal["success", "partial", "failed", "retried"]
    published: int
    failures: Sequence[FailedSymbols]
    text: str


@dataclass(frozen=True)
class CreditHealth:
    """The credits of a plan in a period: used and left now, and when all of them are left again."""

    period: Literal["minute", "day"]
    limit: int
    used: int
    left: int
    resets_at: str | None


@dataclass(frozen=True)
class CircuitHealth:
    """The circuit breaker of an account: no request is sent while it is `open`, and one while it is `half_open`."""

    state: Literal["closed", "half_open", "open"]
    retry_at: str | None
    reason: str


@dataclass(frozen=True)
class ProviderHealth:
    """A provider of the settings, in failover order. `last_delivery` is the newest sync in which it had a price.

    Providers without a plan have no `credits`, and those without an account no `circuit`.
    """

    name: str
    is_real: bool
    last_delivery: str | None
    last_error: str | None
    credits: Sequence[CreditHealth]
    circuit: CircuitHealth | None


@dataclass(frozen=True)
class MarketHealth:
    """The market of STOCKWIRE_MARKET: open or closed, and until when. `zone` is its time zone by its IANA name."""

    name: str
    zone: str
    is_open: bool | None
    until: str | None
    text: str


@dataclass(frozen=True)
class DatabaseHealth:
    """A database: its URL without the password, and its size with all of its files; null if there is none yet."""

    name: str
    url: str
    bytes: int | None
    error: str | None = None


@dataclass(frozen=True)
class TargetHealth:
    """A target of alerts: deliveries that are pending, and those that were given up."""

    name: str
    address: str
    state: Literal["enabled", "failing", "disabled"]
    reason: str | None
    pending: int
    given_up: int


@dataclass(frozen=True)
class Health:
    """Everything that the health view shows. `problems` begin with the worst; without any, all is well."""

    checked_at: str
    problems: Sequence[Problem]
    schedule: str
    next_sync: str | None
    last_sync: SyncHealth | None
    market: MarketHealth | None
    worker: ProcessHealth
    beat: ProcessHealth
    providers: Sequence[ProviderHealth]
    broker: BrokerHealth
    queues: Sequence[QueueHealth]
    databases: Sequence[DatabaseHealth]
    targets: Sequence[TargetHealth]
    versions: Mapping[str, str]
