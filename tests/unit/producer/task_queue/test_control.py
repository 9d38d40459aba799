"""Remote control by messages that anybody who can publish may send."""

import json
import logging
from typing import Any

import pytest

from producer.task_queue.control import answer
from producer.task_queue.topology import CONTROL_REPLY_EXCHANGE

HOST = "celery@here"
REPLY_TO = {"exchange": CONTROL_REPLY_EXCHANGE, "routing_key": "r-1"}


def request(**changes: Any) -> bytes:
    """Return a request as `celery inspect ping` sends it."""
    usual = {"method": "ping", "arguments": {}, "destination": None, "pattern": None, "matcher": None}
    return json.dumps({**usual, "ticket": "t-1", "reply_to": REPLY_TO, **changes}).encode()


@pytest.mark.parametrize("destination", [None, [], [HOST], ["celery@there", HOST]])
def test_a_ping_is_answered(destination: list[str] | None) -> None:
    found = answer(request(destination=destination), HOST)
    assert found == ("r-1", "t-1", {HOST: {"ok": "pong"}})


def test_nobody_waits_for_the_answer_to_a_cast_or_to_a_ping_of_another_worker() -> None:
    assert answer(request(reply_to=None), HOST) is None
    assert answer(request(destination=["celery@there"]), HOST) is None


@pytest.mark.parametrize("method", ["shutdown", "pool_restart", "revoke", "stats", "conf", "rate_limit", ""])
def test_any_other_command_is_logged_and_not_obeyed(method: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = answer(request(method=method), HOST)
    assert found
    assert found.content == {HOST: {"error": "Stockwire's worker answers only ping"}}
    assert f"celery control {method} was ignored" in caplog.text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x80\x04.",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b"[" * 5000,
        b" " * 20_000,
        request(method=5),
        request(method="x" * 101),
        request(destination="celery@here"),
        request(pattern="(a+)+$", matcher="pcre"),
        request(reply_to={"exchange": "market_data", "routing_key": "stock.AAPL.price"}),
        request(reply_to={"exchange": "", "routing_key": "celery.sync"}),
        request(reply_to={"exchange": CONTROL_REPLY_EXCHANGE}),
        request(ticket=["t"]),
    ],
)
def test_a_message_that_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        answer(body, HOST)
