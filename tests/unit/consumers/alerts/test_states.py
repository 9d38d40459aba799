"""The state of a rule by its options: one row per rule, with a mark per price."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from consumers.alerts.conditions.metrics import Sample
from consumers.alerts.rule_run import Firing, RuleRun
from consumers.alerts.rules.models import Rule
from consumers.alerts.rules.options import Frequency, OnArm, Options
from consumers.alerts.rules.parser import parse_terms
from consumers.alerts.split_guard import OVERNIGHT
from consumers.alerts.states import NEW, Outcome, RuleState, Status, evaluate
from shared.events import StockData
from tests.event_factories import AS_OF, price_series, stock_data

MARKS = {Outcome.FIRING: "!", Outcome.RESOLVED: "-"}
SECOND = timedelta(seconds=1)


def rule(terms: str, **options: Any) -> Rule:
    parsed = parse_terms(terms)
    checked = Options(**options)
    checked.check(parsed.condition)
    return Rule(1, "rule", parsed, 1, checked)


def marks(run: RuleRun, events: Sequence[StockData]) -> str:
    found = [run.take(event) for event in events]
    return " ".join(MARKS[each.outcome] if isinstance(each, Firing) else "." for each in found)


@pytest.mark.parametrize(
    ("terms", "options", "prices", "expected"),
    [
        # --rearm: armed again at or beyond the price, on any event.
        ("AAPL above 200", {"rearm": Decimal(195)}, "201 199 201 195 201", "! . . . !"),
        ("AAPL above 200", {"rearm": Decimal(195)}, "201 195.01 201 190 200 200.01", "! . . . . !"),
        ("AAPL below 200", {"rearm": Decimal(205)}, "199 201 199 205 199", "! . . . !"),
        ("AAPL crossing up 200", {"rearm": Decimal(195)}, "199 200 199 201 195 200", ". ! . . . !"),
        ("AAPL crossing down 200", {"rearm": Decimal(205)}, "201 200 201 199 205 200", ". ! . . . !"),
        # --for: true at every event for that long; fires at the first event at or after the end.
        (
            "AAPL above 200",
            {"hold": 2 * SECOND},
            "201 202 203 204 199 201 202 199 201 201 201",
            ". . ! . . . . . . . !",
        ),
        ("AAPL inside channel 1 2", {"hold": SECOND}, "1 2 3 1 1", ". ! . . !"),
        # --on-arm wait skips a state that is true on the first price, and nothing else.
        ("AAPL above 200", {"on_arm": OnArm.WAIT}, "201 202 199 201", ". . . !"),
        ("AAPL above 200", {"on_arm": OnArm.WAIT}, "199 201", ". !"),
        # --frequency. A firing exactly that long after the last one fires.
        ("AAPL above 200", {"frequency": Frequency(once=True)}, "201 199 201", "! . ."),
        ("AAPL above 200", {"frequency": Frequency(per=3 * SECOND)}, "201 199 201 199 201", "! . . . !"),
        ("AAPL above 200", {"frequency": Frequency(per=4 * SECOND)}, "201 199 201 199 201", "! . . . !"),
        ("AAPL above 200", {"frequency": Frequency(per=5 * SECOND)}, "201 199 201 199 201 199 201", "! . . . . . !"),
        ("AAPL crossing 200", {"frequency": Frequency(per=3 * SECOND)}, "199 201 199 201 199 201", ". ! . . ! ."),
        # A dropped firing has no end to tell.
        (
            "AAPL above 200",
            {"frequency": Frequency(per=4 * SECOND), "resolved": True},
            "201 199 201 199 201 199",
            "! - . . ! -",
        ),
        # --for decides when a condition counts as true, and once-per then drops.
        (
            "AAPL above 200",
            {"hold": SECOND, "frequency": Frequency(per=4 * SECOND)},
            "201 201 199 201 201 199 201 201",
            ". ! . . . . . !",
        ),
        # --resolved
        ("AAPL above 200", {"resolved": True}, "199 201 202 200 199 201", ". ! . - . !"),
        ("AAPL above 200", {"resolved": True, "rearm": Decimal(195)}, "201 199 195 201", "! . - !"),
        ("AAPL above 200", {"resolved": True, "on_arm": OnArm.WAIT}, "201 199 201 199", ". . ! -"),
        ("AAPL above 200", {"resolved": True, "hold": SECOND}, "201 199 201 201 199", ". . . ! -"),
        ("AAPL above 200", {"resolved": True, "frequency": Frequency(once=True)}, "201 199", "! ."),
        ("AAPL crossing up 200", {"resolved": True, "rearm": Decimal(195)}, "199 201 194 201", ". ! - !"),
        # --expires: no event at or after it.
        ("AAPL above 200", {"expires": AS_OF + 2 * SECOND}, "199 201 199 201", ". ! . ."),
        ("AAPL above 200", {"expires": AS_OF + SECOND}, "199 201", ". ."),
        ("AAPL above 200", {"expires": AS_OF + 2 * SECOND, "resolved": True}, "199 201 199", ". ! ."),
    ],
)
def test_options_decide_when_a_rule_fires(terms: str, options: dict[str, Any], prices: str, expected: str) -> None:
    assert marks(RuleRun(rule(terms, **options)), price_series(prices.split())) == expected


@pytest.mark.parametrize(
    ("terms", "options", "message"),
    [
        ("AAPL above 200", {"rearm": Decimal(200)}, "--rearm 200 must lie below 200"),
        ("AAPL below 200", {"rearm": Decimal(195)}, "--rearm 195 must lie above 200"),
        ("AAPL crossing down 200", {"rearm": Decimal(199)}, "--rearm 199 must lie above 200"),
        ("AAPL crossing 200", {"rearm": Decimal(195)}, "--rearm is not for 'crossing'"),
        ("AAPL inside channel 1 2", {"rearm": Decimal(3)}, "--rearm is not for 'inside channel'"),
        ("AAPL moving up 5% in 1h", {"rearm": Decimal(3)}, "--rearm is not for 'moving up'"),
        ("AAPL crossing 200", {"hold": SECOND}, "--for is not for 'crossing'"),
        ("AAPL entering channel 1 2", {"hold": SECOND}, "--for is not for 'entering channel'"),
        ("AAPL exiting channel 1 2", {"hold": SECOND}, "--for is not for 'exiting channel'"),
        ("AAPL no data for 5m", {"hold": SECOND}, "--for is not for 'no data'"),
        ("AAPL crossing 200", {"on_arm": OnArm.WAIT}, "--on-arm wait is not for 'crossing'"),
        ("AAPL crossing 200", {"resolved": True}, "--resolved is not for 'crossing'"),
        ("AAPL above 200", {"notify": ("a b",)}, "target name 'a b' is not valid"),
        ("AAPL above 200", {"message": "{price.real}"}, r"unknown field \{price.real\}: use \{symbol\} \{price\}"),
        ("AAPL above 200", {"message": "{price!r}"}, "unknown field"),
        ("AAPL above 200", {"message": "{price:>99999999}"}, "unknown field"),
        ("AAPL above 200", {"message": "{}"}, "unknown field"),
        ("AAPL above 200", {"message": "{price"}, "wrong brace"),
        ("AAPL above 200", {"message": " "}, "1-500 printable characters"),
        ("AAPL above 200", {"message": "a\nb"}, "1-500 printable characters"),
    ],
)
def test_an_option_that_a_condition_does_not_allow_is_refused(
    terms: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        rule(terms, **options)


@pytest.mark.parametrize("text", ["once", "every", "once-per:1h", "once-per:90s"])
def test_a_frequency_is_read_and_written_back(text: str) -> None:
    assert str(Frequency.parse(text)) == text


@pytest.mark.parametrize("text", ["", "twice", "once-per", "once-per:", "once-per:soon", "every:1h"])
def test_another_frequency_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"use once, every or once-per:1h|is not a duration"):
        Frequency.parse(text)


def test_a_late_event_changes_nothing() -> None:
    run = RuleRun(rule("AAPL above 200"))
    first, second, third = price_series(["199", "201", "199"])
    assert marks(run, [first, third, second, third]) == ". . . ."
    assert run.states["AAPL"].status is Status.ARMED


def test_each_symbol_of_a_rule_on_all_has_its_own_state() -> None:
    run = RuleRun(rule("* above 200", frequency=Frequency(once=True)))
    apple, other = price_series(["201", "199", "201"]), price_series(["199", "201", "202"], symbol="BRK.B")
    events = [event for pair in zip(apple, other, strict=True) for event in pair]
    assert marks(run, events) == "! . . ! . ."


def test_simulated_prices_followed_by_real_ones_clear_states_without_an_alert() -> None:
    run = RuleRun(rule("AAPL above 200", hold=5 * SECOND, resolved=True))
    simulated = price_series(["201", "202"])
    real = price_series(["203", "204", "205"], start=AS_OF - timedelta(days=1), provider="yahoo")
    assert marks(run, [*simulated, *real]) == ". . . . ."
    assert run.states["AAPL"].since == real[0].as_of


def test_a_window_begins_afresh_with_prices_of_another_kind() -> None:
    run = RuleRun(rule("AAPL moving up 5% in 1h"))
    assert marks(run, [*price_series(["100"]), *price_series(["200", "209", "210"], provider="yahoo")]) == ". . . !"


def test_a_jump_that_may_be_a_split_holds_the_rule() -> None:
    run = RuleRun(rule("AAPL below 200"))
    next_day = AS_OF + OVERNIGHT + SECOND
    found = [run.take(event) for event in (stock_data(price="499.23"), stock_data(price="129.04", as_of=next_day))]
    assert found[0] is None
    assert found[1] == run.feeds["AAPL"].hold
    held = stock_data(price="130", as_of=next_day + SECOND)
    assert run.take(held) is None
    hold = run.feeds["AAPL"].hold
    assert hold is not None
    assert (hold.ratio, hold.previous_price, hold.last_price) == (4, Decimal("499.23"), 130)
    # Released as it is, the next price counts after the last that did, and is no jump.
    run.feeds["AAPL"].hold = replace(hold, released=True)
    assert marks(run, [held, stock_data(price="131", as_of=next_day + 2 * SECOND)]) == ". !"
    assert run.feeds["AAPL"].hold is None


def test_an_acknowledgement_ends_when_the_rule_is_armed() -> None:
    acknowledged = RuleState(Status.FIRING, AS_OF, told=True, fired=1, last_fired_at=AS_OF, acknowledged=True)
    state, outcome = evaluate(rule("AAPL above 200"), acknowledged, None, Sample(Decimal(199)), AS_OF + SECOND)
    assert (state.acknowledged, state.status, outcome) == (False, Status.ARMED, None)


def test_a_number_that_the_event_does_not_have_changes_nothing() -> None:
    assert evaluate(rule("AAPL volume above 5"), NEW, None, None, AS_OF) == (NEW, None)
