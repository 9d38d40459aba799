"""Digests: one message instead of the alerts beyond a target's limit, such as ten per minute."""

import json
import uuid
from collections.abc import Sequence
from typing import Any

TYPE = "PRICE_ALERT_DIGEST"
# Alerts in one digest; further ones are in the next.
MAX_ALERTS = 500

_IDS = uuid.uuid5(uuid.NAMESPACE_URL, f"stockwire:{TYPE}")


def digest_id(target: str, first_event_id: str) -> str:
    """Return the id of the digest that begins with this event."""
    return str(uuid.uuid5(_IDS, f"{target}\n{first_event_id}"))


def make_digest(own_id: str, bodies: Sequence[str]) -> bytes:
    """Return the event of a digest as JSON, from the events in it. The same events always give the same bytes."""
    events: list[dict[str, Any]] = [json.loads(body) for body in bodies]
    digest = {
        "specversion": "1.0",
        "id": own_id,
        "source": "/stockwire/alerts",
        "type": TYPE,
        "time": max(event["time"] for event in events),
        "datacontenttype": "application/json",
        "data": {"count": len(events), "alerts": events},
    }
    return json.dumps(digest, ensure_ascii=False, separators=(",", ":")).encode()
