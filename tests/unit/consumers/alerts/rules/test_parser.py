import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.alerts.conditions.registry import all_conditions
from consumers.alerts.rules.parser import check_name, parse_terms
from shared.prices import format_price
from tests.event_factories import property_test


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("  brk.b  Crossing UP\t 412.350 ", "BRK.B crossing up 412.35"),
        ("* above 5", "* above 5"),
        ("aapl Moving Up 5.0% IN 60m", "AAPL moving up 5% in 1h"),
        ("AAPL moving down 3.50 since CLOSE", "AAPL moving down 3.5 since close"),
        ("AAPL New High in 52W", "AAPL new high in 52w"),
        ("AAPL no data FOR 90s", "AAPL no data for 90s"),
    ],
)
def test_case_spaces_and_trailing_zeros_do_not_matter(text: str, written: str) -> None:
    assert str(parse_terms(text)) == written


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "rule '' is incomplete: write SYMBOL CONDITION"),
        ("AAPL", "rule 'AAPL' is incomplete: write SYMBOL CONDITION"),
        ("AAPL 200", "'200' is not supported"),
        ("AAPL crossing_up 200", "'crossing_up 200' is not supported: use one of above, below"),
        ("AAPL crossing_up 200", "such as 'AAPL crossing up 200'"),
        ("AAPL above", "condition 'above': a price is missing: write above PRICE, such as 'AAPL above 200'"),
        ("AAPL crossing up", "condition 'crossing up': a price is missing"),
        ("AAPL above 200 for 10m", "condition 'above': 'for 10m' was not understood"),
        ("AAPL above -5", "'-5' is negative"),
        ("AAPL above 0", "more than zero"),
        ("AAPL above NaN", "'NaN' is not a decimal number"),
        ("AAPL above 1e999", "'1e999' is not a decimal number"),
        ("AAPL above 1234567890.123456", "more than 15 significant digits"),
        ("AA,PL above 5", "symbol 'AA,PL' is not"),
        ("AAPL inside channel 180", "the upper price is missing"),
        ("AAPL inside channel 200 180", "'200 180' is not a channel: write the lower price first"),
        ("AAPL inside channel 200 200", "is not a channel"),
        ("AAPL moving up", "condition 'moving up': the change is missing"),
        ("AAPL moving up 5%", "`in` with a duration, or `since close`, is missing"),
        ("AAPL moving up 5 percent", "'percent' was not understood"),
        ("AAPL moving up 5% in", "the duration is missing"),
        ("AAPL moving up 5% in soon", "'soon' is not a duration such as 30m, 1h, 7d or 52w"),
        ("AAPL moving up 5% in 1h today", "'today' was not understood"),
        ("AAPL moving up -5% in 1h", "change '-5' is negative"),
        ("AAPL new high 52w", "condition 'new high': the duration is missing"),
        ("AAPL new high of 52w", "'of' was not understood: write new high in DURATION"),
        ("AAPL volume above 1M", "volume '1M' is not a decimal number"),
        ("AAPL no data", "`for` is missing: write no data for DURATION, such as 'AAPL no data for 30m'"),
        ("AAPL no data for 0m", "'0m' is not a duration"),
    ],
)
def test_a_malformed_rule_is_explained(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        parse_terms(text)


PRICE = st.decimals(min_value="0.0001", max_value="99999999999", places=4, allow_nan=False)


@property_test
@given(
    symbol=st.sampled_from(["AAPL", "BRK.B", "^GSPC", "*"]),
    name=st.sampled_from(["above", "below", "crossing", "crossing up", "crossing down"]),
    price=PRICE,
)
def test_a_rule_with_a_price_survives_its_text(symbol: str, name: str, price: object) -> None:
    terms = parse_terms(f"{symbol} {name} {price}")
    assert parse_terms(str(terms)) == terms
    assert str(terms) == f"{symbol} {name} {format_price(price)}"  # type: ignore[arg-type]


def test_every_condition_explains_how_it_is_written() -> None:
    for condition in all_conditions().values():
        with pytest.raises(ValueError, match=re.escape(f"write {condition.form}, such as {condition.example!r}")):
            parse_terms(f"AAPL {condition.phrase} what")


@pytest.mark.parametrize("name", ["", "  ", "x" * 129, "two\nlines"])
def test_an_invalid_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"rule name .* is not valid"):
        check_name(name)
