"""A receiver of webhooks that follows the specification of Standard Webhooks, and shares no code with the sender.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Iterable

from tests.fake_http_server import Answer, Request

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


class HostileReceiver:
    """Answers of a receiver that takes a third of its requests, and fails in all other ways in turn.

    `hang` is the delay in seconds of an answer that comes too late. `accepted` are the requests that the receiver took,
    among them those whose sender did not get the answer.
    """

    def __init__(self, hang: float) -> None:
        ok = Answer("ok")
        self.accepted: list[Request] = []
        self._count = 0
        self._answers = [
            ok,
            Answer("", 500),
            Answer("", 404),
            Answer("", 302, {"Location": "/elsewhere"}),
            Answer("", 429, {"Retry-After": "2"}),
            ok,
            ok,
            Answer("late", delay=hang),
            Answer("", 503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}),
            Answer("slow but sure", drip=0.01),
            Answer("cut short", cut=3),
        ]

    def __call__(self, request: Request) -> Answer:
        answer = self._answers[self._count % len(self._answers)]
        self._count += 1
        if answer.status == 200:
            self.accepted.append(request)
        return answer


def ids(requests: Iterable[Request]) -> list[str]:
    return [request.headers["webhook-id"] for request in requests]


def first_of_each(requests: Iterable[Request]) -> list[str]:
    """Return the ids in the order of their first arrival, as a receiver sees them that ignores repetitions."""
    return list(dict.fromkeys(ids(requests)))
