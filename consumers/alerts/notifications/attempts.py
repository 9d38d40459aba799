"""A try to send one message, and what it changes in the outbox."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from consumers.alerts.notifications.channel import Channel, Notification, Result
from consumers.alerts.notifications.deliveries import Change, Delivery, State
from consumers.alerts.notifications.schedule import next_try
from consumers.alerts.notifications.targets import Target


@dataclass(frozen=True, slots=True)
class Attempt:
    """A finished try to send a message to a target."""

    target: Target
    result: Result
    changes: Sequence[Change]


def try_to_send(channel: Channel, make: Callable[[], Notification]) -> Result:
    """Make a message and send it. An unexpected error counts as a failed try."""
    try:
        return channel.send(make())
    except Exception as error:  # noqa: BLE001 - other targets go on; the error's text may hold the URL
        return Result(f"the message could not be sent ({type(error).__name__})")


def changes_after(members: Sequence[Delivery], result: Result, now: datetime) -> list[Change]:
    """Return the new states of the deliveries of a message after a try that ended now."""
    return [_change(each, result, now) for each in members]


def _change(delivery: Delivery, result: Result, now: datetime) -> Change:
    attempts = delivery.attempts + 1
    if result.error is None:
        return Change(delivery, State.SENT, attempts, now)
    if result.gone:
        return Change(delivery, State.FAILED, attempts, now, result.error)
    return Change(delivery, State.PENDING, attempts, next_try(now, attempts, result.retry_after), result.error)
