from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from consumers.alerts.split_guard import OVERNIGHT, describe_ratio, due_splits, suspected_ratio
from shared.split_ratios import parse_split_ratio
from shared.splits import Split
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


AAPL = Split("AAPL", date(2020, 8, 31), 4, 1)


@pytest.mark.parametrize(
    ("before", "now", "is_due"),
    [
        # Daily bars, and quotes of New York.
        ("2020-08-28T00:00 499.23", "2020-08-31T00:00 129.04", True),
        ("2020-08-28T20:00 499.23", "2020-08-31T13:30 127.58", True),
        # On its date the price may also rise or fall by a third.
        ("2020-08-28T20:00 499.23", "2020-08-31T13:30 170", True),
        ("2020-08-28T20:00 499.23", "2020-08-31T13:30 84", True),
        # A late trade of the evening before, which is after midnight UTC.
        ("2020-08-31T00:30 499.23", "2020-08-31T08:00 125", True),
        # Sydney opens before midnight UTC.
        ("2020-08-28T06:00 499.23", "2020-08-30T23:00 125", True),
        ("2019-08-28T20:00 499.23", "2021-08-31T13:30 125", True),
        # Not yet: the price does not show it.
        ("2020-08-28T20:00 499.23", "2020-08-31T13:30 490", False),
        ("2020-08-27T20:00 499.23", "2020-08-28T13:30 125", False),
        # Within a session.
        ("2020-08-31T13:30 499.23", "2020-08-31T17:30 125", False),
        # Long after.
        ("2020-09-01T20:00 499.23", "2020-09-02T13:30 125", False),
    ],
)
def test_a_known_split_is_due_at_the_overnight_jump_on_its_date(before: str, now: str, is_due: bool) -> None:
    assert bool(due_splits([AAPL], at(before), at(now))) == is_due


def test_a_reverse_split_is_due_at_a_jump_up() -> None:
    reverse = Split("X", date(2020, 8, 31), 1, 10)
    assert due_splits([reverse], at("2020-08-28T20:00 0.5"), at("2020-08-31T13:30 4.2")) == [reverse]
    assert due_splits([reverse], at("2020-08-28T20:00 0.5"), at("2020-08-31T13:30 0.45")) == ()


def test_a_split_too_small_to_be_seen_is_due_from_midnight_on() -> None:
    small = Split("X", date(2020, 8, 31), 1011, 1000)
    assert due_splits([small], at("2020-08-28T20:00 100"), at("2020-08-31T13:30 104")) == [small]
    assert due_splits([small], at("2020-08-28T20:00 100"), at("2020-08-30T23:59 98")) == []
    assert due_splits([small], at("2020-08-31T13:30 100"), at("2020-09-01T13:30 98")) == []


def test_several_splits_between_two_prices_are_due_together() -> None:
    earlier = Split("AAPL", date(2014, 6, 9), 7, 1)
    assert due_splits([earlier, AAPL], at("2014-06-06T20:00 645.57"), at("2021-01-04T14:30 129.41")) == [earlier, AAPL]
    assert due_splits([earlier, AAPL], at("2014-06-06T20:00 645.57"), at("2014-06-09T13:30 92.7")) == [earlier]


def at(text: str) -> tuple[datetime, Decimal]:
    time, price = text.split()
    return datetime.fromisoformat(time).replace(tzinfo=UTC), Decimal(price)
