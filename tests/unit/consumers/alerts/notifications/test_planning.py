"""The choice of a target's next messages: single ones in order, and a digest beyond the limit."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from consumers.alerts.notifications.deliveries import Delivery
from consumers.alerts.notifications.digest import MAX_ALERTS
from consumers.alerts.notifications.planning import MAX_MESSAGES, make_notification, plan_messages
from consumers.alerts.notifications.targets import RateLimit
from tests.event_factories import NOW, price_alert, stock_data

LIMIT = RateLimit(3, timedelta(minutes=1))


def deliveries(count: int, first: int = 1, **fields: object) -> list[Delivery]:
    """Return deliveries of `count` alerts, with the ids `e1`, `e2` and so on."""
    made = []
    for number in range(first, first + count):
        alert = price_alert(stock_data(as_of=NOW + timedelta(seconds=number)), id=f"e{number}")
        body = alert.encode().decode()
        made.append(Delivery(number, alert.id, "phone", body, 0, NOW, NOW, NOW + timedelta(hours=1)))
    return [replace(each, **fields) for each in made]  # type: ignore[arg-type]


def ids(messages: object) -> list[list[str]]:
    return [[each.event_id for each in message] for message in messages]  # type: ignore[attr-defined]


def test_without_a_limit_the_oldest_are_sent_one_by_one() -> None:
    plan = plan_messages(deliveries(MAX_MESSAGES + 5), None, [])
    assert ids(plan.messages) == [[f"e{number}"] for number in range(1, MAX_MESSAGES + 1)]
    assert (plan.due, plan.joins) == (NOW, None)


def test_the_oldest_decides_when_a_target_is_due() -> None:
    later = NOW + timedelta(minutes=2)
    head = replace(deliveries(1)[0], attempts=3, next_try_at=later)
    assert plan_messages([head, *deliveries(2, first=2)], None, []).due == later


@pytest.mark.parametrize(("sent", "expected"), [(0, ["e1", "e2", "e3"]), (2, ["e1"])])
def test_within_the_limit_alerts_are_sent_one_by_one(sent: int, expected: list[str]) -> None:
    plan = plan_messages(deliveries(5), LIMIT, [NOW] * sent)
    assert ids(plan.messages) == [[each] for each in expected]


def test_beyond_the_limit_alerts_join_a_digest_that_is_due_when_the_next_message_may_be_sent() -> None:
    sent_at = [NOW - timedelta(seconds=seconds) for seconds in (50, 20, 10)]
    plan = plan_messages(deliveries(2), LIMIT, sent_at)
    assert plan.joins
    assert [each.event_id for each in plan.joins.deliveries] == ["e1", "e2"]
    assert plan.joins.due == plan.due == NOW + timedelta(seconds=10)
    assert plan_messages(deliveries(2), LIMIT, sent_at).joins == plan.joins
    assert plan.messages == ()


def test_a_digest_takes_further_alerts_until_it_is_tried() -> None:
    due = NOW + timedelta(seconds=10)
    members = deliveries(2, digest_id="d", next_try_at=due)
    plan = plan_messages([*members, *deliveries(1, first=3)], LIMIT, [NOW] * 3)
    assert plan.joins
    assert ([each.event_id for each in plan.joins.deliveries], plan.joins.digest_id, plan.joins.due) == (
        ["e3"],
        "d",
        due,
    )
    tried = [replace(each, attempts=1) for each in members]
    plan = plan_messages([*tried, *deliveries(1, first=3)], LIMIT, [NOW] * 3)
    assert (ids(plan.messages), plan.joins, plan.due) == ([["e1", "e2"]], None, due)


def test_alerts_that_are_sent_again_go_before_a_digest_that_is_waiting() -> None:
    again, waiting, later = deliveries(2), deliveries(2, first=3, digest_id="d"), deliveries(1, first=5)
    assert ids(plan_messages([*again, *waiting, *later], LIMIT, [NOW]).messages) == [["e1"], ["e2"]]
    plan = plan_messages([*again, *waiting, *later], LIMIT, [NOW] * 3)
    assert plan.joins
    assert [each.event_id for each in plan.joins.deliveries] == ["e1", "e2"]
    other = deliveries(2, digest_id="other")
    assert ids(plan_messages([*other, *waiting, *later], LIMIT, [NOW]).messages) == [["e1", "e2"]]


def test_a_digest_has_a_largest_size() -> None:
    plan = plan_messages(deliveries(MAX_ALERTS, digest_id="d") + deliveries(1, first=9000), LIMIT, [NOW] * 3)
    assert (len(plan.messages[0]), plan.joins) == (MAX_ALERTS, None)


def test_a_message_that_failed_is_sent_alone_even_beyond_the_limit() -> None:
    head = deliveries(1, attempts=1)
    assert ids(plan_messages([*head, *deliveries(3, first=2)], LIMIT, [NOW] * 3).messages) == [["e1"]]


def test_one_alert_is_sent_as_it_is_and_several_as_a_digest_with_all_of_them() -> None:
    one, two = deliveries(2, digest_id="d")
    single = make_notification([one])
    assert (single.id, single.body.decode()) == ("e1", one.body)
    digest = make_notification([one, two])
    event = json.loads(digest.body)
    assert (digest.id, event["id"], event["type"]) == ("d", "d", "PRICE_ALERT_DIGEST")
    assert event["data"] == {"count": 2, "alerts": [json.loads(one.body), json.loads(two.body)]}
    assert event["time"] == json.loads(two.body)["time"]
    assert make_notification([one, two]) == digest


def test_several_alerts_without_a_digest_are_no_message() -> None:
    with pytest.raises(ValueError, match="only in a digest"):
        make_notification(deliveries(2))
