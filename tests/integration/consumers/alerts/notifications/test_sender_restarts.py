"""Senders that stop, take over, or lose their database for a while: no alert is lost, and none is sent twice."""

import sqlite3
import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from consumers.alerts.notifications.sender import Sender
from infra.up.rabbitmq import free_port
from tests.fake_http_server import Answer, Request, always, fake_http_server
from tests.integration.consumers.alerts.notifications.conftest import (
    OK,
    Outbox,
    all_sent,
    open_outbox,
    sending,
    wait_for,
)
from tests.polling import eventually
from tests.webhook_receiver import ids


def test_a_stop_sends_what_is_due_and_does_not_wait_for_retries(outbox: Outbox) -> None:
    with fake_http_server(always(OK)) as server:
        outbox.add_target("hook", server.url)
        outbox.add_target("failing", f"http://127.0.0.1:{free_port()}")
        with sending(outbox) as sender:
            outbox.queue(1, "failing")
            wait_for(sender, lambda: outbox.rows("attempts") == [(1,)])
            outbox.queue(30, "hook", first=2)
            start = time.monotonic()
        assert set(outbox.states("hook")) == {"sent"}
        assert time.monotonic() - start < 5
    assert outbox.rows("state", "attempts", target="failing") == [("pending", 1)]


def test_a_stop_loses_nothing_and_repeats_nothing(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consumers.alerts.notifications.sender.DRAIN_TIMEOUT", 0)
    with fake_http_server(always(Answer("ok", delay=0.02))) as server:
        outbox.add_target("hook", server.url)
        queued = outbox.queue(60, "hook")
        for _ in range(3):
            seen = len(server.requests)
            with sending(outbox):
                eventually(lambda seen=seen: len(server.requests) > seen + 5)
            assert outbox.states().count("sent") == len(server.requests)
        with sending(outbox) as sender:
            wait_for(sender, all_sent(outbox))
        assert ids(server.requests) == queued


def test_a_stop_does_not_wait_for_a_target_that_hangs(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consumers.alerts.notifications.sender.STOP_TIMEOUT", 0.5)
    with fake_http_server(always(Answer("late", delay=60))) as server:
        outbox.add_target("hook", server.url)
        with Sender(outbox.engine.url, outbox.clock) as sender:
            outbox.queue(1, "hook")
            wait_for(sender, lambda: server.requests)
            start = time.monotonic()
        assert time.monotonic() - start < 5
    assert outbox.rows("state", "attempts") == [("pending", 0)]


def test_of_two_senders_one_sends_and_the_other_takes_over(outbox: Outbox) -> None:
    with fake_http_server(always(OK)) as server, ExitStack() as second:
        outbox.add_target("hook", server.url)
        with sending(outbox) as first:
            outbox.queue(1, "hook")
            wait_for(first, all_sent(outbox))
            other = second.enter_context(sending(outbox))
            outbox.queue(50, "hook", first=2)
            wait_for(other, all_sent(outbox))
        queued = outbox.queue(5, "hook", first=52)
        wait_for(other, all_sent(outbox))
        assert ids(server.requests) == [*(f"alert-{number}" for number in range(1, 52)), *queued]


def test_results_wait_for_a_locked_database_and_are_not_sent_again(
    sqlite_outbox: Outbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("shared.database.engine.BUSY_TIMEOUT", 0.05)
    other = sqlite3.connect(tmp_path / "test.db", isolation_level=None, check_same_thread=False)

    def lock_and_answer(_: Request) -> Answer:
        if not other.in_transaction:
            other.execute("BEGIN IMMEDIATE")
        return OK

    with closing(other), fake_http_server(lock_and_answer) as server, sending(sqlite_outbox) as sender:
        sqlite_outbox.add_target("hook", server.url)
        queued = sqlite_outbox.queue(3, "hook")
        wait_for(sender, lambda: "notifications wait" in caplog.text and len(server.requests) == 3)
        assert sqlite_outbox.states() == ["pending"] * 3
        server.answer = always(OK)
        other.execute("ROLLBACK")
        wait_for(sender, all_sent(sqlite_outbox))
        assert ids(server.requests) == queued


def test_a_database_that_is_replaced_gets_its_own_deliveries(sqlite_outbox: Outbox, tmp_path: Path) -> None:
    with fake_http_server(always(OK)) as server, sending(sqlite_outbox) as sender:
        sqlite_outbox.add_target("hook", server.url)
        sqlite_outbox.queue(1, "hook")
        wait_for(sender, all_sent(sqlite_outbox))
        for file in tmp_path.glob("test.db*"):
            file.rename(tmp_path / file.name.replace("test", "moved"))
        sqlite_outbox.engine.dispose()
        for outbox in open_outbox(sqlite_outbox.engine.url):
            outbox.add_target("hook", server.url)
            outbox.queue(2, "hook", first=5)
            wait_for(sender, all_sent(outbox))
        assert ids(server.requests) == ["alert-1", "alert-5", "alert-6"]
