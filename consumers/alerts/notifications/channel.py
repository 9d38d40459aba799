"""A channel: the way to one target, by webhook or through apprise."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

# Seconds that one try may take, from the name lookup to the last byte of the answer.
TRY_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Notification:
    """A message to one target. `id` is the same on every try; `body` is the event as JSON."""

    id: str
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        """The event as a dictionary."""
        event: dict[str, Any] = json.loads(self.body)
        return event


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one try.

    `error` says why it failed, without anything secret, and is None if the message was delivered. `gone` means that the
    target wants no more messages.
    """

    error: str | None = None
    retry_after: timedelta | None = None
    gone: bool = False


DELIVERED = Result()


class Channel(Protocol):
    """A way to one target. One thread at a time uses a channel."""

    def send(self, notification: Notification) -> Result:
        """Try to deliver a message within TRY_TIMEOUT seconds. Raises nothing because of the target."""
        ...

    def close(self) -> None: ...
