"""Events as text for people."""

import json

from consumers.alerts.notifications.digest import make_digest
from consumers.alerts.notifications.trial_message import make_test_message
from consumers.alerts.notifications.wording import describe_event
from tests.event_factories import NOW, price_alert

ALERT = json.loads(price_alert().encode())
ALERT["data"].pop("message", None)
ALERT["data"].pop("terms", None)


def with_data(**data: object) -> dict[str, object]:
    return ALERT | {"data": ALERT["data"] | data}


def test_an_alert_is_one_line_under_symbol_and_rule() -> None:
    assert describe_event(ALERT) == ("AAPL: target", "AAPL is at 187.44: crossing up 187")


def test_the_terms_of_the_rule_and_its_own_message_come_first() -> None:
    terms = with_data(terms="AAPL crossing up 187", state="resolved")
    assert describe_event(terms)[1] == "AAPL is at 187.44: AAPL crossing up 187 (resolved)"
    assert describe_event(with_data(message="sell", terms="AAPL crossing up 187"))[1] == "sell"


def test_an_alert_without_a_price_names_the_symbol() -> None:
    assert describe_event(with_data(price=None, terms="AAPL no data for 30m"))[1] == "AAPL: AAPL no data for 30m"


def test_a_digest_lists_its_first_alerts_and_the_number_of_the_others() -> None:
    title, text = describe_event(json.loads(make_digest("d", [json.dumps(ALERT)] * 23)))
    assert title == "23 alerts"
    assert text.splitlines()[0] == "AAPL: target: AAPL is at 187.44: crossing up 187"
    assert text.splitlines()[20:] == ["and 3 more: ./stockwire alerts"]


def test_a_test_message_says_that_it_is_one() -> None:
    title, text = describe_event(make_test_message("phone", "id", NOW).event)
    assert (title, text) == ("Stockwire", "Test message for target phone: alerts will arrive here.")


def test_rules_that_are_held_say_what_to_do() -> None:
    data = {"symbol": "AAPL", "price": "125", "previous_price": "500", "ratio": "4"}
    title, text = describe_event({"type": "RULES_HELD", "data": data})
    assert title == "AAPL: rules held"
    assert text.startswith("AAPL went from 500 to 125, which may be a split: its rules wait for")
    assert text.endswith("./stockwire rules rescale AAPL 4:1, or --as-is")


def test_an_event_of_another_type_shows_its_fields() -> None:
    other = {"type": "OTHER", "subject": "AAPL", "data": {"symbol": "AAPL", "ratio": "4", "price": None}}
    assert describe_event(other) == ("AAPL", "symbol AAPL, ratio 4")
