"""Dead letters as the API tells them. `infra` reads them from RabbitMQ; nothing here does I/O.

Their texts are as their senders wrote them: whoever shows them has to treat them as text, and as nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class DeadQueue:
    """A consumer's queue, and the number of its dead letters."""

    queue: str
    dead: int


@dataclass(frozen=True)
class DeadLetter:
    """A message that its consumer rejected, and the reason.

    `body` is JSON with indentation, other text as it is, or null if the body was dropped because it was too large;
    `is_cut` tells that it goes on. `body_size` counts bytes.
    """

    died_at: str | None
    reason: str
    routing_key: str
    message_id: str | None
    properties: Mapping[str, str]
    headers: Mapping[str, str]
    body: str | None
    body_size: int
    is_cut: bool


@dataclass(frozen=True)
class DeadLetters:
    """Dead letters of a queue, oldest first; `dead` is the number of all."""

    queue: str
    dead: int
    letters: Sequence[DeadLetter]


@dataclass(frozen=True)
class RequeuedLetters:
    """The numbers of dead letters that went back to their queue, and that stay because their body was dropped."""

    queue: str
    sent: int
    left: int


@dataclass(frozen=True)
class DroppedLetters:
    """The number of dead letters that were deleted."""

    queue: str
    dropped: int
