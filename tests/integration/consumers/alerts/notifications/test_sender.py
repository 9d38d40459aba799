"""The sender with a real database and real HTTP servers: every alert once, in order, whatever a target does.

The clock of the sender is the test's, so retries of an hour take no time; the servers and the time-outs are real.
"""

from datetime import timedelta

import pytest

from consumers.alerts.handler import AlertHandler
from consumers.alerts.notifications.deliveries import KEEP_SENT
from consumers.alerts.notifications.schedule import RETRY_DELAYS
from consumers.alerts.notifications.signing import generate_secret
from consumers.alerts.notifications.target_store import enable_target, find_target, read_targets, remove_target
from consumers.alerts.notifications.targets import RateLimit
from consumers.alerts.notifications.undelivered import redeliver
from consumers.alerts.rules.options import Options
from consumers.alerts.rules.parser import parse_terms
from consumers.alerts.rules.store import add_rule
from consumers.alerts.store import read_alerts
from infra.up.rabbitmq import free_port
from shared.database.engine import reading, writing
from tests.dripping_server import ANSWERS, dripping_server
from tests.event_factories import NOW
from tests.fake_http_server import Answer, always, fake_http_server, one_after_the_other
from tests.integration.consumers.alerts.notifications.conftest import (
    FAILING,
    OK,
    TIMEOUT,
    Outbox,
    all_sent,
    pass_time,
    sending,
    wait_for,
)
from tests.integration.consumers.alerts.test_real_prices import event, naive_alerts, rows
from tests.polling import eventually
from tests.webhook_receiver import HostileReceiver, first_of_each, ids, verify


def test_alerts_arrive_once_in_order_and_signed(outbox: Outbox) -> None:
    secret = generate_secret()
    with fake_http_server(always(OK)) as server, sending(outbox) as sender:
        outbox.add_target("hook", server.url, secret=secret)
        queued = outbox.queue(45, "hook")
        wait_for(sender, all_sent(outbox))
        assert ids(server.requests) == queued
        for request in server.requests:
            verify(request, secret)
    assert outbox.rows("attempts", "last_error", "finished_at") == [(1, None, NOW)] * 45


def test_an_alert_is_sent_soon_without_being_woken(outbox: Outbox) -> None:
    with fake_http_server(always(OK)) as server, sending(outbox):
        outbox.add_target("hook", server.url)
        outbox.queue(1, "hook")
        eventually(lambda: server.requests)


def test_the_first_that_fails_holds_up_the_others_of_its_target(outbox: Outbox) -> None:
    secret = generate_secret()
    answers = one_after_the_other(OK, FAILING, FAILING, FAILING, OK)
    with fake_http_server(answers) as server, sending(outbox) as sender:
        outbox.add_target("hook", server.url, secret=secret)
        queued = outbox.queue(4, "hook")
        pass_time(outbox, sender, timedelta(seconds=5), all_sent(outbox))
        assert ids(server.requests) == [queued[0], *[queued[1]] * 4, *queued[2:]]
        for request in server.requests:
            verify(request, secret)
    assert outbox.rows("attempts") == [(1,), (4,), (1,), (1,)]


def test_tries_follow_the_schedule_until_the_alert_expires(outbox: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    with fake_http_server(always(FAILING)) as server, sending(outbox) as sender:
        outbox.add_target("hook", f"{server.url}/secret")
        outbox.queue(1, "hook")
        due = NOW
        for attempts, delay in enumerate([*RETRY_DELAYS, RETRY_DELAYS[-1]], 1):
            outbox.now = due
            wait_for(sender, lambda attempts=attempts: outbox.rows("attempts") == [(attempts,)])
            due += delay
            assert outbox.rows("next_try_at", "state", "last_error") == [(due, "pending", "500 Internal Server Error")]
        outbox.now = NOW + timedelta(hours=1) - timedelta(microseconds=1)
        sender.wake()
        assert outbox.states() == ["pending"]
        outbox.now = NOW + timedelta(hours=1)
        wait_for(sender, lambda: outbox.states() == ["expired"])
        assert len(server.requests) == 6
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [
        f"target hook ({server.url}): 500 Internal Server Error; trying again",
        "gave up 1 alerts for target hook after 1h: ./stockwire alerts --undelivered lists them",
    ]


def test_alerts_that_wait_behind_one_that_fails_name_its_error_when_they_expire(outbox: Outbox) -> None:
    with fake_http_server(always(FAILING)) as server, sending(outbox) as sender:
        outbox.add_target("hook", server.url, ttl=timedelta(seconds=10))
        outbox.queue(3, "hook")
        pass_time(outbox, sender, timedelta(seconds=1), lambda: set(outbox.states()) == {"expired"})
    reason = "not tried within 10s, because an earlier message failed: 500 Internal Server Error"
    errors = [error for (error,) in outbox.rows("last_error")]
    assert errors == ["500 Internal Server Error", reason, reason]


def test_a_target_that_hangs_delays_no_other(outbox: Outbox) -> None:
    hanging = Answer("late", delay=60)
    with fake_http_server(always(hanging)) as slow, fake_http_server(always(OK)) as fast, sending(outbox) as sender:
        for number in range(5):
            outbox.add_target(f"slow{number}", slow.url)
        outbox.add_target("fast", fast.url)
        queued = outbox.queue(30, *(f"slow{number}" for number in range(5)), "fast")
        wait_for(sender, lambda: set(outbox.states("fast")) == {"sent"})
        assert ids(fast.requests) == queued
        wait_for(sender, lambda: outbox.rows("last_error", target="slow4")[0] != (None,))
        assert set(outbox.states("slow4")) == {"pending"}


def test_retry_after_decides_when_a_target_is_tried_again(outbox: Outbox) -> None:
    answers = one_after_the_other(Answer("", 429, {"Retry-After": "1000"}), OK)
    with fake_http_server(answers) as server, sending(outbox) as sender:
        outbox.add_target("hook", server.url)
        outbox.queue(2, "hook")
        wait_for(sender, lambda: outbox.rows("attempts")[0] == (1,))
        assert outbox.rows("next_try_at")[0] == (NOW + timedelta(seconds=1000),)
        outbox.now = NOW + timedelta(seconds=999)
        sender.wake()
        outbox.now = NOW + timedelta(seconds=1000)
        wait_for(sender, all_sent(outbox))
        assert len(server.requests) == 3


def test_a_target_that_is_gone_is_disabled_until_it_is_enabled_again(
    outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    answers = one_after_the_other(Answer("", 410), OK)
    with fake_http_server(answers) as server, sending(outbox) as sender:
        outbox.add_target("hook", server.url)
        queued = outbox.queue(3, "hook")
        wait_for(sender, lambda: set(outbox.states()) == {"failed"})
        outbox.queue(1, "hook", first=4)
        assert outbox.rows("attempts", "last_error") == [
            (1, "410 Gone"),
            *[(0, "410 Gone: the target wants no more messages")] * 3,
        ]
        assert "is disabled: 410 Gone" in caplog.text
        with writing(outbox.engine) as connection:
            [target] = read_targets(connection)
            assert target.disabled_reason == "410 Gone: the target wants no more messages"
            enable_target(connection, target)
            redeliver(connection, outbox.now)
        wait_for(sender, all_sent(outbox))
        assert ids(server.requests) == [queued[0], *queued, "alert-4"]


def test_every_alert_arrives_once_by_its_id_whatever_the_target_does(outbox: Outbox) -> None:
    secret, receiver = generate_secret(), HostileReceiver(hang=2 * TIMEOUT)
    with sending(outbox) as sender:
        with fake_http_server(receiver) as server:
            outbox.add_target("hook", server.url, secret=secret, ttl=timedelta(days=7))
            queued = outbox.queue(12, "hook")
            pass_time(outbox, sender, timedelta(minutes=2), lambda: outbox.states().count("sent") > 3)
        # The server is away for a while, and comes back on its port.
        outbox.now += timedelta(minutes=10)
        sender.wake()
        with fake_http_server(receiver, port=int(server.url.rsplit(":", 1)[1])):
            pass_time(outbox, sender, timedelta(minutes=2), all_sent(outbox))
    assert first_of_each(receiver.accepted) == queued
    for request in receiver.accepted:
        verify(request, secret)


@pytest.mark.parametrize("prices", ["real_prices", pytest.param("all_real_prices", marks=pytest.mark.slow)])
def test_the_alerts_of_real_prices_reach_a_hostile_target_and_a_good_one(
    request: pytest.FixtureRequest, prices: str, sqlite_outbox: Outbox
) -> None:
    path, outbox, receiver = request.getfixturevalue(prices), sqlite_outbox, HostileReceiver(hang=2 * TIMEOUT)
    handle = AlertHandler(outbox.engine, lambda messages: len(list(messages)), outbox.clock)
    with fake_http_server(receiver) as hostile, fake_http_server(always(OK)) as good, sending(outbox) as sender:
        outbox.add_target("hostile", hostile.url, ttl=timedelta(days=7))
        outbox.add_target("good", good.url)
        for name, terms in (("breakout", "AAPL crossing up 200"), ("cheap", "AAPL below 150")):
            add_rule(outbox.engine, name, parse_terms(terms), NOW, Options(notify=("hostile", "good")))
        handle([event(row) for row in rows(path) if row["symbol"] == "AAPL"])
        pass_time(outbox, sender, timedelta(minutes=2), all_sent(outbox))
        expected = [alert.id for alert in read_alerts(outbox.engine)]
        assert [len(expected), len(set(expected))] == [len(naive_alerts(path))] * 2
        assert first_of_each(receiver.accepted) == ids(good.requests) == expected


@pytest.mark.parametrize("name", ["status line", "headers", "one long header"])
def test_a_target_that_drips_delays_no_other(sqlite_outbox: Outbox, name: str) -> None:
    outbox = sqlite_outbox
    with (
        dripping_server(ANSWERS[name], 0.05) as slow,
        fake_http_server(always(OK)) as fast,
        sending(outbox) as sender,
    ):
        outbox.add_target("slow", slow.url)
        outbox.add_target("fast", fast.url)
        queued = outbox.queue(3, "slow", "fast")
        wait_for(sender, lambda: set(outbox.states("fast")) == {"sent"})
        wait_for(sender, lambda: outbox.rows("attempts", target="slow")[0] == (1,))
        assert ids(fast.requests) == queued
    [error, *_] = outbox.rows("last_error", target="slow")
    assert error == (f"no complete answer within {TIMEOUT:g} s",)


def test_beyond_its_limit_a_target_gets_one_digest(outbox: Outbox) -> None:
    secret = generate_secret()
    with fake_http_server(always(OK)) as server, sending(outbox) as sender:
        outbox.add_target("hook", server.url, secret=secret, at_most=RateLimit(3, timedelta(minutes=1)))
        queued = outbox.queue(8, "hook")
        wait_for(sender, lambda: outbox.states().count("sent") == 3 and outbox.rows("digest_id")[7] != (None,))
        outbox.now += timedelta(seconds=59)
        queued += outbox.queue(2, "hook", first=9)
        wait_for(sender, lambda: outbox.rows("digest_id")[9] != (None,))
        assert len(server.requests) == 3
        outbox.now += timedelta(seconds=1)
        wait_for(sender, all_sent(outbox))
        assert len(server.requests) == 4
        verify(server.requests[3], secret)
        digest = server.requests[3].body
        assert all(f'"{alert_id}"'.encode() in digest for alert_id in queued[3:])
        assert not any(f'"{alert_id}"'.encode() in digest for alert_id in queued[:3])
        outbox.queue(1, "hook", first=11)
        wait_for(sender, all_sent(outbox))
        assert server.requests[4].headers["webhook-id"] == "alert-11"


def test_a_digest_keeps_its_id_and_its_alerts_on_every_try(outbox: Outbox) -> None:
    answers = one_after_the_other(OK, FAILING, FAILING, OK)
    with fake_http_server(answers) as server, sending(outbox) as sender:
        outbox.add_target("hook", server.url, at_most=RateLimit(1, timedelta(seconds=10)))
        outbox.queue(3, "hook")
        wait_for(sender, lambda: outbox.rows("digest_id")[2] != (None,))
        outbox.now += timedelta(seconds=10)
        wait_for(sender, lambda: outbox.rows("attempts")[1] == (1,))
        outbox.queue(1, "hook", first=4)
        pass_time(outbox, sender, timedelta(seconds=5), all_sent(outbox))
        _, *digests, last = server.requests
        assert len({(each.headers["webhook-id"], each.body) for each in digests}) == 1
        assert (len(digests), last.headers["webhook-id"]) == (3, "alert-4")


def test_a_removed_target_gets_nothing_more_and_its_successor_only_what_is_new(outbox: Outbox) -> None:
    with fake_http_server(always(FAILING)) as old, fake_http_server(always(OK)) as new, sending(outbox) as sender:
        outbox.add_target("hook", old.url)
        outbox.queue(1, "hook")
        wait_for(sender, lambda: outbox.rows("attempts") == [(1,)])
        with writing(outbox.engine) as connection:
            remove_target(connection, "hook", NOW)
        outbox.add_target("hook", new.url)
        outbox.queue(1, "hook", first=2)
        wait_for(sender, lambda: outbox.states() == ["failed", "sent"])
        assert (ids(old.requests), ids(new.requests)) == (["alert-1"], ["alert-2"])


def test_old_deliveries_are_deleted_while_it_runs(outbox: Outbox) -> None:
    with fake_http_server(always(OK)) as server, sending(outbox) as sender:
        outbox.add_target("hook", server.url)
        outbox.queue(2, "hook")
        wait_for(sender, all_sent(outbox))
        outbox.now += KEEP_SENT + timedelta(seconds=1)
        wait_for(sender, lambda: outbox.states() == [])


def test_a_target_that_is_away_for_a_while_gets_everything_in_order(outbox: Outbox) -> None:
    port = free_port()
    outbox.add_target("hook", f"http://127.0.0.1:{port}/secret")
    queued = outbox.queue(5, "hook")
    with sending(outbox) as sender:
        wait_for(sender, lambda: outbox.rows("attempts")[0] == (1,))
        assert outbox.rows("last_error")[0] == (f"127.0.0.1:{port} refuses connections",)
        with fake_http_server(always(OK), port=port) as server:
            pass_time(outbox, sender, timedelta(seconds=5), all_sent(outbox))
    assert ids(server.requests) == queued
    with reading(outbox.engine) as connection:
        assert find_target(connection, "hook").disabled_reason is None
