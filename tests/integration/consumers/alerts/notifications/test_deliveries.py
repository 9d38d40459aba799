"""The outbox on real SQLite and PostgreSQL."""

from datetime import timedelta

import pytest

from consumers.alerts.notifications.deliveries import (
    KEEP_SENT,
    KEEP_UNDELIVERED,
    Change,
    Delivery,
    State,
    expire,
    join_digest,
    pending_deliveries,
    queue_deliveries,
    record_changes,
    remove_old,
    sent_since,
)
from consumers.alerts.notifications.target_store import disable_target, find_target, read_targets, remove_target
from consumers.alerts.notifications.targets import MAX_TARGETS, RateLimit
from consumers.alerts.notifications.undelivered import count_deliveries, read_undelivered, redeliver
from shared.database.engine import reading, writing
from shared.errors import SettingsError
from tests.event_factories import NOW
from tests.integration.consumers.alerts.notifications.conftest import Outbox, numbered_alert

HOUR = timedelta(hours=1)


def pending(outbox: Outbox, target: str = "phone") -> list[Delivery]:
    with reading(outbox.engine) as connection:
        return pending_deliveries(connection, target, 100)


def finish(outbox: Outbox, state: State, *found: Delivery, error: str | None = None) -> None:
    with writing(outbox.engine) as connection:
        record_changes(connection, [Change(each, state, each.attempts + 1, NOW, error) for each in found], outbox.now)


def test_each_pair_of_alert_and_target_is_one_delivery(outbox: Outbox) -> None:
    outbox.add_target("phone", ttl=2 * HOUR)
    outbox.add_target("log")
    for _ in range(2):
        outbox.queue(2, "phone", "log")
    assert outbox.rows("event_id", "target", "state", "attempts") == [
        ("alert-1", "phone", "pending", 0),
        ("alert-1", "log", "pending", 0),
        ("alert-2", "phone", "pending", 0),
        ("alert-2", "log", "pending", 0),
    ]
    first, second = pending(outbox)
    assert (first.body, first.next_try_at, first.expires_at) == (
        numbered_alert(1).encode().decode(),
        NOW,
        NOW + 2 * HOUR,
    )
    assert second.event_id == "alert-2"


def test_a_transaction_that_fails_owes_nothing(outbox: Outbox) -> None:
    outbox.add_target("phone")

    def fail_after_queueing() -> None:
        with writing(outbox.engine) as connection:
            queue_deliveries(connection, [(numbered_alert(1), "phone")], NOW)
            raise RuntimeError("later")

    with pytest.raises(RuntimeError, match="later"):
        fail_after_queueing()
    assert outbox.rows("id") == []


def test_what_is_owed_to_nobody_is_stored_as_failed_with_the_reason(outbox: Outbox) -> None:
    target = outbox.add_target("phone")
    with writing(outbox.engine) as connection:
        target = find_target(connection, "phone")
        disable_target(connection, target, "410 Gone", NOW)
    outbox.queue(1, "phone", "nobody")
    assert outbox.rows("target", "state", "last_error") == [
        ("phone", "failed", "410 Gone"),
        ("nobody", "failed", "there is no target nobody"),
    ]


def test_a_result_is_stored_once_and_only_for_its_own_event(outbox: Outbox) -> None:
    outbox.add_target("phone")
    outbox.queue(2, "phone")
    first, second = pending(outbox)
    finish(outbox, State.SENT, first)
    finish(outbox, State.FAILED, first, error="late")
    other = Delivery(**{name: getattr(second, name) for name in Delivery.__slots__} | {"event_id": "of another file"})
    finish(outbox, State.SENT, other)
    assert outbox.rows("state", "attempts", "last_error", "finished_at") == [
        ("sent", 1, None, NOW),
        ("pending", 0, None, None),
    ]


def test_alerts_expire_with_their_own_error_or_with_the_reason(outbox: Outbox) -> None:
    outbox.add_target("phone")
    outbox.queue(1, "phone")
    finish(outbox, State.PENDING, *pending(outbox), error="503 Service Unavailable")
    outbox.queue(1, "phone", first=2)
    outbox.now += HOUR / 2
    outbox.queue(1, "phone", first=3)
    with writing(outbox.engine) as connection:
        assert expire(connection, "phone", "not tried", NOW + HOUR) == 2
    assert outbox.rows("state", "last_error") == [
        ("expired", "503 Service Unavailable"),
        ("expired", "not tried"),
        ("pending", None),
    ]


def test_a_digest_counts_as_one_message_sent(outbox: Outbox) -> None:
    outbox.add_target("phone", at_most=RateLimit(3, timedelta(minutes=1)))
    outbox.queue(4, "phone")
    found = pending(outbox)
    with writing(outbox.engine) as connection:
        join_digest(connection, found[1:], "digest", NOW + HOUR, HOUR)
    assert {(each.digest_id, each.next_try_at, each.expires_at) for each in pending(outbox)[1:]} == {
        ("digest", NOW + HOUR, NOW + 2 * HOUR)
    }
    finish(outbox, State.SENT, found[0])
    outbox.now += timedelta(seconds=30)
    finish(outbox, State.SENT, *found[1:])
    with reading(outbox.engine) as connection:
        assert sent_since(connection, "phone", NOW - HOUR) == [NOW, outbox.now]
        assert sent_since(connection, "phone", NOW) == [outbox.now]


def test_undelivered_alerts_are_listed_with_the_reason_and_can_be_sent_again(outbox: Outbox) -> None:
    outbox.add_target("phone")
    outbox.queue(3, "phone")
    first, second, third = pending(outbox)
    finish(outbox, State.FAILED, first, error="410 Gone")
    finish(outbox, State.EXPIRED, second, error="500")
    finish(outbox, State.SENT, third)
    rows = list(read_undelivered(outbox.engine))
    assert [(row["id"], row["result"], row["error"], row["symbol"], row["price"]) for row in rows] == [
        ("alert-1", "failed", "410 Gone", "AAPL", "187.44"),
        ("alert-2", "expired", "500", "AAPL", "187.44"),
    ]
    assert [row["id"] for row in read_undelivered(outbox.engine, limit=1)] == ["alert-2"]
    assert list(read_undelivered(outbox.engine, since=NOW + HOUR)) == []
    with writing(outbox.engine) as connection:
        assert redeliver(connection, NOW + HOUR, event_ids=["alert-2"]) == 1
    [again] = pending(outbox)
    assert (again.event_id, again.attempts, again.next_try_at, again.expires_at) == (
        "alert-2",
        0,
        NOW + HOUR,
        NOW + 2 * HOUR,
    )
    with reading(outbox.engine) as connection:
        assert count_deliveries(connection) == {("phone", "failed"): 1, ("phone", "pending"): 1}


def test_alerts_are_not_sent_again_to_a_target_that_is_disabled_or_removed(outbox: Outbox) -> None:
    outbox.add_target("phone")
    outbox.queue(1, "phone", "nobody")
    with writing(outbox.engine) as connection:
        disable_target(connection, find_target(connection, "phone"), "410 Gone", NOW)
    for name, message in (("phone", "target phone is disabled"), ("nobody", "there is no target 'nobody'")):
        with pytest.raises(SettingsError, match=message), writing(outbox.engine) as connection:
            redeliver(connection, NOW, target=name)
    with pytest.raises(SettingsError), writing(outbox.engine) as connection:
        redeliver(connection, NOW)
    assert outbox.states() == ["failed", "failed"]


def test_removing_a_target_gives_up_what_is_owed_to_it(outbox: Outbox) -> None:
    outbox.add_target("phone")
    outbox.queue(2, "phone")
    with writing(outbox.engine) as connection:
        assert remove_target(connection, "phone", NOW) == 2
        with pytest.raises(SettingsError, match="there is no target 'phone'"):
            remove_target(connection, "phone", NOW)
    assert outbox.rows("state", "last_error") == [("failed", "target phone was removed")] * 2
    outbox.add_target("phone")
    with writing(outbox.engine) as connection:
        assert redeliver(connection, NOW) == 2


def test_a_target_keeps_its_settings_and_its_name_is_taken(outbox: Outbox) -> None:
    limit = RateLimit(10, timedelta(minutes=1))
    outbox.add_target("phone", "https://example.com/x", secret="whsec_x", at_most=limit, ttl=timedelta(minutes=5))
    with reading(outbox.engine) as connection:
        [target] = read_targets(connection)
    assert (target.url, target.secret, target.at_most, target.ttl, target.disabled_reason) == (
        "https://example.com/x",
        "whsec_x",
        limit,
        timedelta(minutes=5),
        None,
    )
    with pytest.raises(SettingsError, match=r"target phone exists already: .*notify remove phone\)"):
        outbox.add_target("phone")


def test_the_number_of_targets_is_limited(outbox: Outbox) -> None:
    for number in range(MAX_TARGETS):
        outbox.add_target(f"t{number}")
    with pytest.raises(SettingsError, match="no more are possible"):
        outbox.add_target("one more")


def test_old_deliveries_are_deleted_but_none_that_is_pending(outbox: Outbox) -> None:
    outbox.add_target("phone")
    outbox.queue(3, "phone")
    first, second, _third = pending(outbox)
    finish(outbox, State.SENT, first)
    finish(outbox, State.EXPIRED, second)
    for age, expected in ((KEEP_SENT, 3), (KEEP_UNDELIVERED, 2), (2 * KEEP_UNDELIVERED, 1)):
        with writing(outbox.engine) as connection:
            assert not remove_old(connection, NOW + age)
        assert len(outbox.states()) == expected
    assert outbox.states() == ["pending"]


def test_many_deliveries_are_expired_and_deleted_in_parts(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consumers.alerts.notifications.deliveries.MAX_CHANGED", 2)
    outbox.add_target("phone")
    outbox.queue(3, "phone")
    counts = []
    for _ in range(3):
        with writing(outbox.engine) as connection:
            counts.append(expire(connection, "phone", "late", NOW + HOUR))
    assert counts == [2, 1, 0]
    with writing(outbox.engine) as connection:
        assert [remove_old(connection, NOW + 2 * KEEP_UNDELIVERED) for _ in range(2)] == [True, False]
    assert outbox.states() == []
