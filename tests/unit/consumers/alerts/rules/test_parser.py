import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.alerts.rules.parser import Condition, Terms, check_name, parse_condition


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("AAPL above 200", Condition.ABOVE),
        ("AAPL below 200", Condition.BELOW),
        ("AAPL crossing 200", Condition.CROSSING),
        ("AAPL crossing up 200", Condition.CROSSING_UP),
        ("AAPL crossing down 200", Condition.CROSSING_DOWN),
    ],
)
def test_each_condition_is_read_and_written_back(text: str, condition: Condition) -> None:
    terms = parse_condition(text)
    assert terms == Terms("AAPL", condition, Decimal(200))
    assert str(terms) == text


def test_case_spaces_and_trailing_zeros_do_not_matter() -> None:
    assert str(parse_condition("  brk.b  Crossing UP\t 412.350 ")) == "BRK.B crossing up 412.35"


def test_a_star_stands_for_every_symbol() -> None:
    assert parse_condition("* above 5") == Terms("*", Condition.ABOVE, Decimal(5))


def test_machine_values_are_one_word_of_a_routing_key() -> None:
    assert [condition.value for condition in Condition] == [
        "above",
        "below",
        "crossing",
        "crossing_up",
        "crossing_down",
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "write SYMBOL CONDITION PRICE"),
        ("AAPL", "write SYMBOL CONDITION PRICE"),
        (
            "AAPL moving up 5% in 1h",
            "'moving up 5% in 1h' is not supported: use one of above, below, crossing, crossing up, crossing down",
        ),
        ("AAPL 200", "'200' is not supported"),
        ("AAPL above", "after 'above' stands nothing"),
        ("AAPL crossing up", "after 'crossing up' stands nothing"),
        ("AAPL above 200 for 10m", "after 'above' stands '200 for 10m'"),
        ("AAPL above -5", "'-5' is negative"),
        ("AAPL above 0", "more than zero"),
        ("AAPL above NaN", "'NaN' is not a decimal number"),
        ("AAPL above 1e3", "'1e3' is not a decimal number"),
        ("AAPL above 1234567890.123456", "more than 15 significant digits"),
        ("AA,PL above 5", "symbol 'AA,PL' is not"),
    ],
)
def test_a_malformed_condition_is_explained(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        parse_condition(text)


@given(
    symbol=st.sampled_from(["AAPL", "BRK.B", "^GSPC", "*"]),
    condition=st.sampled_from(Condition),
    threshold=st.decimals(min_value="0.0001", max_value="99999999999", places=4, allow_nan=False),
)
def test_terms_survive_their_text(symbol: str, condition: Condition, threshold: Decimal) -> None:
    terms = Terms(symbol, condition, threshold)
    assert parse_condition(str(terms)) == terms


@pytest.mark.parametrize("name", ["", "  ", "x" * 129, "two\nlines"])
def test_a_name_that_would_not_travel_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no name for a rule"):
        check_name(name)
