"""The errors that Stockwire raises. Each message is one line that says what is wrong and what to do.

StockwireError
├── SettingsError            a setting, an argument or a file is unusable
├── InvalidEvent             a message, a price or a symbol breaks the contract of events
├── BrokerError
│   ├── BrokerUnavailable    RabbitMQ does not answer, or the connection was lost: try again later
│   ├── BrokerRefused        RabbitMQ rejected the credentials or the virtual host
│   │   └── PermissionMissing the user lacks a permission; the message ends with the command that grants it
│   ├── TopologyConflict     a queue or exchange exists with other arguments
│   └── PublishError         RabbitMQ did not confirm some events; the error has a reason for each
│       └── PublishRefused   the user may not publish (also a PermissionMissing)
├── StorageError             a database is unusable
│   ├── StorageUnavailable   the database is locked, full or not reachable: try again later
│   │   ├── StorageLocked    another transaction holds a lock for longer than a statement waits
│   │   └── StorageReopened  the database's file was moved or replaced, and is open anew: write again
│   └── StorageDamaged       the database has to be replaced by a copy
├── ProviderError            a provider cannot deliver a price, or anything at all; see each kind below
│   ├── UnknownSymbol        the provider does not know the symbol, or the plan does not include it
│   │   └── NoPrices         the provider knows the symbol, but has no prices in the requested time range
│   ├── InvalidResponse      the answer has no valid price: it is zero, negative, of another symbol
│   │   └── UnreadableResponse the whole answer is unreadable: an HTML page, cut off, too long
│   ├── ProviderUnavailable  the provider does not answer, or reports an error of its own: try again later
│   ├── RateLimited          the provider's rate limit or the plan's quota is used up: try again at `retry_at`
│   └── AuthenticationFailed the provider rejected the key: no retry will help
├── DeliveryFailed           a target did not take a message
├── HistoryError             the history cannot answer a question of a program
│   ├── InvalidQuery         a time, a timeframe or a time zone is not valid (also a ValueError)
│   └── HistoryClosed        the history was closed before
├── MissingLibrary           an optional library is not installed; the message ends with the command that installs it
├── OutputError              standard output or a file cannot be written: it is closed, or its disk is full
├── SyncRunning              another sync holds the lock
└── ProcessError             a process of the pipeline did not start, or keeps ending
"""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar


class StockwireError(Exception):
    """The root of the tree. A user sees the message of such an error, and no traceback."""


class SettingsError(StockwireError):
    pass


class InvalidEvent(StockwireError, ValueError):
    pass


class BrokerError(StockwireError):
    pass


class BrokerUnavailable(BrokerError):
    pass


class BrokerRefused(BrokerError):
    pass


class PermissionMissing(BrokerRefused):
    pass


class TopologyConflict(BrokerError):
    pass


class PublishError(BrokerError):
    """The reason of each event that was not confirmed, by event id, is in `failures`."""

    def __init__(self, failures: Mapping[str, str]) -> None:
        self.failures = dict(failures)
        super().__init__(self._summary())

    def _summary(self) -> str:
        event_id, reason = next(iter(self.failures.items()))
        if len(self.failures) == 1:
            return f"event {event_id} was not published: {reason}"
        return f"{len(self.failures)} events were not published; the first is {event_id}: {reason}"

    def __reduce__(self) -> tuple[type["PublishError"], tuple[dict[str, str]]]:
        return type(self), (self.failures,)


class PublishRefused(PublishError, PermissionMissing):
    def _summary(self) -> str:
        # One reason for all events. The command at its end must stay the end of the line.
        return next(iter(self.failures.values()))


class StorageError(StockwireError):
    pass


class StorageUnavailable(StorageError):
    pass


class StorageLocked(StorageUnavailable):
    pass


class StorageReopened(StorageUnavailable):
    pass


class StorageDamaged(StorageError):
    pass


class ProviderError(StockwireError):
    """A provider failed. The message is a whole sentence with the provider's name.

    `transient` is True if a retry may succeed.
    """

    transient: ClassVar[bool] = True


class UnknownSymbol(ProviderError):
    transient = False


class NoPrices(UnknownSymbol):
    pass


class InvalidResponse(ProviderError):
    pass


class UnreadableResponse(InvalidResponse):
    pass


class ProviderUnavailable(ProviderError):
    pass


class RateLimited(ProviderError):
    """A limit is reached. `retry_at` (UTC) is the time from which a request may succeed again."""

    def __init__(self, message: str, retry_at: datetime) -> None:
        self.retry_at = retry_at
        super().__init__(message)

    def __reduce__(self) -> tuple[type["RateLimited"], tuple[str, datetime]]:
        return type(self), (str(self), self.retry_at)


class AuthenticationFailed(ProviderError):
    transient = False


class DeliveryFailed(StockwireError):
    pass


class HistoryError(StockwireError):
    pass


class InvalidQuery(HistoryError, ValueError):
    pass


class HistoryClosed(HistoryError):
    pass


class MissingLibrary(StockwireError, ImportError):
    """An optional library that `requirements` pins, or that a user may choose."""

    def __init__(self, library: str, requirements: str = "-r requirements-analysis.txt") -> None:
        super().__init__(
            f"this needs the library {library}, which is not installed: .venv/bin/python -m pip install {requirements}"
        )


class OutputError(StockwireError):
    pass


class SyncRunning(StockwireError):
    pass


class ProcessError(StockwireError):
    pass
