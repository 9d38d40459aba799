"""The list of deliveries in every state, on real SQLite and PostgreSQL."""

from datetime import timedelta
from typing import Any

from consumers.alerts.notifications.deliveries import (
    Change,
    State,
    pending_deliveries,
    queue_deliveries,
    record_changes,
)
from consumers.alerts.notifications.delivery_log import DeliveryPage, read_deliveries
from shared.database.engine import reading, writing
from tests.event_factories import NOW, rules_held
from tests.integration.consumers.alerts.notifications.conftest import Outbox

HOUR = timedelta(hours=1)


def read(outbox: Outbox, *, limit: int = 100, **wanted: Any) -> DeliveryPage:
    with reading(outbox.engine) as connection:
        return read_deliveries(connection, limit=limit, **wanted)


def finish(outbox: Outbox, state: State, count: int, error: str | None = None) -> None:
    """Finish the oldest pending deliveries to the phone."""
    with writing(outbox.engine) as connection:
        found = pending_deliveries(connection, "phone", count)
        record_changes(connection, [Change(each, state, 2, NOW, error) for each in found], NOW + HOUR)


def keys(page: DeliveryPage) -> list[tuple[str, str, str]]:
    return [(row["id"], row["target"], row["state"]) for row in page.rows]


def test_deliveries_are_listed_newest_first_with_their_state_and_the_reason(outbox: Outbox) -> None:
    outbox.add_target("phone")
    outbox.queue(3, "phone")
    finish(outbox, State.SENT, 1)
    finish(outbox, State.FAILED, 1, "410 Gone")
    page = read(outbox)
    assert keys(page) == [
        ("alert-3", "phone", "pending"),
        ("alert-2", "phone", "failed"),
        ("alert-1", "phone", "sent"),
    ]
    pending, failed, sent = page.rows
    assert (failed["error"], failed["attempts"], failed["next_try_at"]) == ("410 Gone", 2, None)
    assert (failed["raised_at"], failed["finished_at"]) == (
        "2024-11-20T10:00:03.120000Z",
        "2024-11-20T11:00:03.120000Z",
    )
    assert (pending["next_try_at"], pending["finished_at"]) == ("2024-11-20T10:00:03.120000Z", None)
    assert (sent["symbol"], sent["rule_name"], sent["price"], sent["message"], sent["event_state"]) == (
        "AAPL",
        "target",
        "187.44",
        "It rises.",
        "firing",
    )
    assert page.next_before is None


def test_deliveries_are_chosen_by_state_and_target(outbox: Outbox) -> None:
    outbox.add_target("phone")
    outbox.add_target("log")
    outbox.queue(2, "phone", "log")
    finish(outbox, State.EXPIRED, 1, "too late")
    assert keys(read(outbox, states=(State.FAILED, State.EXPIRED))) == [("alert-1", "phone", "expired")]
    assert keys(read(outbox, target="log")) == [("alert-2", "log", "pending"), ("alert-1", "log", "pending")]
    assert keys(read(outbox, states=(State.SENT,), target="log")) == []


def test_pages_follow_each_other_without_a_gap_or_a_repetition_while_new_deliveries_come(outbox: Outbox) -> None:
    outbox.add_target("phone")
    outbox.queue(5, "phone")
    first = read(outbox, limit=2)
    outbox.queue(2, "phone", first=6)
    second = read(outbox, limit=2, before=first.next_before)
    third = read(outbox, limit=2, before=second.next_before)
    assert [row["id"] for page in (first, second, third) for row in page.rows] == [
        f"alert-{number}" for number in (5, 4, 3, 2, 1)
    ]
    assert third.next_before is None


def test_an_event_about_held_rules_has_no_rule(outbox: Outbox) -> None:
    outbox.add_target("phone")
    with writing(outbox.engine) as connection:
        queue_deliveries(connection, [(rules_held(), "phone")], NOW)
    [row] = read(outbox).rows
    assert (row["type"], row["symbol"], row["rule_name"], row["event_state"]) == ("RULES_HELD", "AAPL", None, None)
