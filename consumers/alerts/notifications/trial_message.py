"""The message that tries a target."""

import json
from datetime import datetime

from consumers.alerts.notifications.channel import Notification
from shared.times import format_sortable

TYPE = "TARGET_TEST"


def make_test_message(target: str, message_id: str, now: datetime) -> Notification:
    """Return a message of a type of its own, so that a receiver does not take it for an alert."""
    event = {
        "specversion": "1.0",
        "id": message_id,
        "source": "/stockwire/alerts",
        "type": TYPE,
        "time": format_sortable(now),
        "datacontenttype": "application/json",
        "data": {"target": target, "message": f"Test message for target {target}: alerts will arrive here."},
    }
    return Notification(message_id, json.dumps(event, separators=(",", ":")).encode())
