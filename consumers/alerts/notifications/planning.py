"""The choice of a target's next messages from its pending deliveries: in order, within its limit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import NamedTuple

from consumers.alerts.notifications.channel import Notification
from consumers.alerts.notifications.deliveries import Delivery
from consumers.alerts.notifications.digest import MAX_ALERTS, digest_id, make_digest
from consumers.alerts.notifications.targets import RateLimit

# Messages that are sent one after the other before a target's deliveries are read again.
MAX_MESSAGES = 20
# Pending deliveries that have to be known for the choice.
MAX_PENDING = MAX_ALERTS


class Join(NamedTuple):
    """Deliveries that are sent in a digest, at `due`."""

    deliveries: Sequence[Delivery]
    digest_id: str
    due: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """The next messages of a target, not before `due`: each is sent for one delivery, or for those of a digest.

    With `joins`, there is nothing to send until the deliveries have joined the digest.
    """

    messages: Sequence[Sequence[Delivery]]
    due: datetime
    joins: Join | None = None


def plan_messages(pending: Sequence[Delivery], limit: RateLimit | None, sent_at: Sequence[datetime]) -> Plan:
    """Return the next messages for pending deliveries, oldest first, of which there is one at least.

    `sent_at` are the times of the messages that were sent during the limit's last period, oldest first. Once the limit
    is reached, the next message is a digest of everything that is raised until it may be sent. A digest that was tried
    gets no further alerts, because the target may have taken it.
    """
    head = pending[0]
    if head.digest_id is not None:
        return _plan_digest(head.digest_id, pending)
    # Before a digest that is older than some of these, because they are sent again.
    single = list(takewhile(lambda each: each.digest_id is None, pending))
    free = MAX_MESSAGES if limit is None else limit.count - len(sent_at)
    if limit is not None and free <= 0 and not head.attempts:
        due = sent_at[-limit.count] + limit.period
        return Plan((), due, Join(single[:MAX_ALERTS], digest_id(head.target, head.event_id), due))
    return Plan([[each] for each in single[: max(1, min(free, MAX_MESSAGES))]], head.next_try_at)


def _plan_digest(own_id: str, pending: Sequence[Delivery]) -> Plan:
    members = list(takewhile(lambda each: each.digest_id == own_id, pending))
    later = takewhile(lambda each: each.digest_id is None, pending[len(members) :])
    others = list(later)[: MAX_ALERTS - len(members)]
    due = members[0].next_try_at
    is_tried = any(each.attempts for each in members)
    return Plan([members], due, None if is_tried or not others else Join(others, own_id, due))


def make_notification(members: Sequence[Delivery]) -> Notification:
    """Return the message for one delivery, or the digest for several."""
    if len(members) == 1:
        return Notification(members[0].event_id, members[0].body.encode())
    own_id = members[0].digest_id
    if own_id is None:
        raise ValueError("several deliveries are one message only in a digest")
    return Notification(own_id, make_digest(own_id, [each.body for each in members]))
