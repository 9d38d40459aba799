"""A receiver of webhooks that follows the specification of Standard Webhooks, and shares no code with the sender.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Iterable

from tests.fake_http_server import Request

TOLERANCE = 300  # seconds


def verify(request: Request, secret: str) -> None:
    """Fail unless one of the request's signatures is valid and its timestamp is near."""
    message_id, timestamp = request.headers["webhook-id"], request.headers["webhook-timestamp"]
    assert abs(time.time() - int(timestamp)) < TOLERANCE
    key = base64.b64decode(secret.split("_", 1)[1])
    content = f"{message_id}.{timestamp}.{request.body.decode()}"
    expected = base64.b64encode(hmac.new(key, content.encode(), hashlib.sha256).digest()).decode()
    signatures = [each.split(",", 1) for each in request.headers["webhook-signature"].split(" ")]
    assert any(version == "v1" and hmac.compare_digest(value, expected) for version, value in signatures)


def ids(requests: Iterable[Request]) -> list[str]:
    return [request.headers["webhook-id"] for request in requests]


def first_of_each(requests: Iterable[Request]) -> list[str]:
    """Return the ids in the order of their first arrival, as a receiver sees them that ignores repetitions."""
    return list(dict.fromkeys(ids(requests)))
