import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.alerts.conditions.base import Operator
from consumers.alerts.conditions.registry import operators
from consumers.alerts.rules.models import Condition
from consumers.alerts.rules.parser import check_name, parse_condition


@pytest.mark.parametrize(
    ("text", "operator"),
    [
        ("AAPL above 200", "above"),
        ("AAPL below 200", "below"),
        ("AAPL crossing 200", "crossing"),
        ("AAPL crossing up 200", "crossing_up"),
        ("AAPL crossing down 200", "crossing_down"),
    ],
)
def test_each_condition_is_read_and_written_back(text: str, operator: str) -> None:
    condition = parse_condition(text)
    assert condition == Condition("AAPL", operators()[operator], Decimal(200))
    assert str(condition) == text


def test_case_spaces_and_trailing_zeros_do_not_matter() -> None:
    assert str(parse_condition("  brk.b  Crossing UP\t 412.350 ")) == "BRK.B crossing up 412.35"


def test_a_tiny_price_may_have_an_exponent() -> None:
    assert str(parse_condition("shx/usd above 2.31e-05")) == "SHX/USD above 0.0000231"


def test_a_star_means_every_symbol() -> None:
    assert parse_condition("* above 5") == Condition("*", operators()["above"], Decimal(5))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "condition '' is incomplete: write SYMBOL CONDITION PRICE"),
        ("AAPL", "condition 'AAPL' is incomplete: write SYMBOL CONDITION PRICE"),
        (
            "AAPL moving up 5% in 1h",
            "'moving up 5% in 1h' is not supported: use one of above, below, crossing, crossing down, crossing up",
        ),
        ("AAPL 200", "'200' is not supported"),
        ("AAPL crossing_up 200", "'crossing_up 200' is not supported"),
        ("AAPL above", "condition 'above' needs one price after it, found nothing"),
        ("AAPL crossing up", "condition 'crossing up' needs one price after it, found nothing"),
        ("AAPL above 200 for 10m", "condition 'above' needs one price after it, found '200 for 10m'"),
        ("AAPL above -5", "'-5' is negative"),
        ("AAPL above 0", "more than zero"),
        ("AAPL above NaN", "'NaN' is not a decimal number"),
        ("AAPL above 1e999", "'1e999' is not a decimal number"),
        ("AAPL above 1234567890.123456", "more than 15 significant digits"),
        ("AA,PL above 5", "symbol 'AA,PL' is not"),
    ],
)
def test_a_malformed_condition_is_explained(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        parse_condition(text)


@given(
    symbol=st.sampled_from(["AAPL", "BRK.B", "^GSPC", "*"]),
    operator=st.sampled_from(list(operators().values())),
    threshold=st.decimals(min_value="0.0001", max_value="99999999999", places=4, allow_nan=False),
)
def test_a_condition_survives_its_text(symbol: str, operator: Operator, threshold: Decimal) -> None:
    condition = Condition(symbol, operator, threshold)
    assert parse_condition(str(condition)) == condition


@pytest.mark.parametrize("name", ["", "  ", "x" * 129, "two\nlines"])
def test_an_invalid_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"rule name .* is not valid"):
        check_name(name)
