"""The alerts made of rules: their message and their ids."""

from datetime import timedelta
from decimal import Decimal

import pytest

from consumers.alerts.alerting import make_alert, make_silence_alert
from consumers.alerts.rules.models import Rule
from consumers.alerts.rules.options import Options
from consumers.alerts.rules.parser import parse_terms
from consumers.alerts.states import Outcome
from tests.event_factories import AS_OF, NOW, stock_data

EVENT = stock_data("BRK.B", "412.5")


def rule(terms: str = "BRK.B crossing up 400", **options: object) -> Rule:
    return Rule(7, "target", parse_terms(terms), 3, Options(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("message", "previous", "text"),
    [
        ("{symbol} is at {price}, {change} from {previous_price}", "330", "BRK.B is at 412.5, +25.00% from 330"),
        ("{rule}: {threshold} at {as_of}", "330", "target: 400 at 2024-11-20T09:59:58Z"),
        ("{symbol} {change}{previous_price}", None, "BRK.B "),
        ("down {change}", "550", "down -25.00%"),
        ("{{not a field}} {symbol}", None, "{not a field} BRK.B"),
    ],
)
def test_a_message_has_the_values_of_its_event(message: str, previous: str | None, text: str) -> None:
    before = None if previous is None else Decimal(previous)
    assert make_alert(rule(message=message), Outcome.FIRING, EVENT, before, NOW).message == text


def test_without_a_message_an_alert_tells_symbol_price_and_condition() -> None:
    assert make_alert(rule(), Outcome.FIRING, EVENT, None, NOW).message == "BRK.B at 412.5: crossing up 400"
    resolved = make_alert(rule("BRK.B above 400"), Outcome.RESOLVED, EVENT, None, NOW)
    assert (resolved.message, resolved.state) == ("BRK.B at 412.5: above 400 (resolved)", "resolved")


def test_a_message_about_missing_data_has_no_price() -> None:
    silent = rule("BRK.B no data for 30m", message="{symbol}: nothing since {as_of}, last {previous_price}{price}")
    alert = make_silence_alert(silent, "BRK.B", AS_OF, Decimal(5), NOW)
    assert alert.message == "BRK.B: nothing since 2024-11-20T09:59:58Z, last 5"
    assert (alert.price, alert.event_id, alert.threshold) == (None, None, None)


def test_the_id_of_an_alert_covers_rule_revision_state_and_event() -> None:
    alert = make_alert(rule(), Outcome.FIRING, EVENT, None, NOW)
    again = make_alert(rule(), Outcome.FIRING, EVENT, Decimal(1), NOW + timedelta(seconds=1))
    assert alert.id == again.id
    later = stock_data("BRK.B", "412.5", AS_OF + timedelta(seconds=1))
    others = {
        make_alert(rule(), Outcome.RESOLVED, EVENT, None, NOW).id,
        make_alert(rule(), Outcome.FIRING, later, None, NOW).id,
        make_alert(
            Rule(7, "target", parse_terms("BRK.B crossing up 400"), 4, Options()), Outcome.FIRING, EVENT, None, NOW
        ).id,
    }
    assert len({alert.id, *others}) == 4
