from datetime import timedelta
from decimal import Decimal

import pytest

from consumers.alerts.split_guard import OVERNIGHT, describe_ratio, suspected_ratio
from shared.split_ratios import parse_split_ratio
from tests.event_factories import AS_OF

NEXT_DAY = AS_OF + OVERNIGHT + timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("before", "now", "ratio"),
    [
        # AAPL's split of 2020, and TSLA's.
        ("499.23", "129.04", "4"),
        ("2213.4", "498.32", None),
        ("442.68", "2213.4", "0.2"),
        ("200", "100", "2"),
        ("200", "103.5", "2"),
        ("200", "103.51", None),
        ("200", "96.5", "2"),
        ("200", "96.49", None),
        ("100", "10000", "0.01"),
        ("10000", "100", "100"),
        ("1", "3", "0.333333333333333"),
        ("100", "90", None),
        ("100", "150", None),
    ],
)
def test_an_overnight_jump_by_the_ratio_of_a_split_is_suspected(before: str, now: str, ratio: str | None) -> None:
    found = suspected_ratio((AS_OF, Decimal(before)), (NEXT_DAY, Decimal(now)))
    assert found == (None if ratio is None else Decimal(ratio))


def test_a_jump_within_four_hours_is_a_move_of_the_market() -> None:
    assert suspected_ratio((AS_OF, Decimal(200)), (AS_OF + OVERNIGHT, Decimal(100))) is None


@pytest.mark.parametrize("text", ["4:1", "1:10", "1:3", "2:1"])
def test_a_ratio_is_written_as_people_write_it(text: str) -> None:
    ratio = parse_split_ratio(text)
    assert describe_ratio(Decimal(ratio.numerator) / Decimal(ratio.denominator)) == text
