from datetime import timedelta
from decimal import Decimal

import pytest

from consumers.alerts.watermarks import Watermark, comparable
from tests.event_factories import AS_OF, NOW, stock_data


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (("yahoo", "USD"), ("yahoo", "USD"), True),
        (("yahoo", "USD"), ("finnhub", "USD"), True),
        (("simulated", "USD"), ("replay", "USD"), True),
        (("yahoo", None), ("finnhub", None), True),
        (("simulated", "USD"), ("yahoo", "USD"), False),
        (("yahoo", "USD"), ("replay", "USD"), False),
        (("yahoo", None), ("yahoo", "GBP"), False),
        (("yahoo", "GBP"), ("yahoo", None), False),
        (("yahoo", "USD"), ("yahoo", "EUR"), False),
    ],
)
def test_prices_are_comparable_in_one_currency_and_if_both_are_real_or_neither_is(
    before: tuple[str, str | None], after: tuple[str, str | None], expected: bool
) -> None:
    provider, currency = before
    watermark = Watermark(AS_OF, Decimal(200), 1, currency, provider)
    event = stock_data(provider=after[0], currency=after[1], as_of=AS_OF - timedelta(days=1))
    assert watermark.is_comparable(event) is expected
    assert comparable(watermark, event, NOW) is (watermark if expected else None)


def test_a_price_that_an_earlier_version_stored_is_comparable_with_any() -> None:
    for event in (stock_data(), stock_data(provider="yahoo", currency=None)):
        assert Watermark(AS_OF, Decimal(200), 1).is_comparable(event)


def test_before_the_first_price_there_is_none_to_compare() -> None:
    assert comparable(None, stock_data(), NOW) is None


@pytest.mark.parametrize(("minutes", "counts"), [(4, True), (6, False), (60 * 24 * 365, False)])
def test_a_watermark_from_far_ahead_of_the_clock_makes_no_event_late(minutes: int, counts: bool) -> None:
    """Such as after a clock that was years ahead was set right."""
    watermark = Watermark(NOW + timedelta(minutes=minutes), Decimal(200), 1, "USD", "simulated")
    assert comparable(watermark, stock_data(as_of=AS_OF), NOW) is (watermark if counts else None)
    later = stock_data(as_of=watermark.as_of + timedelta(seconds=1))
    assert comparable(watermark, later, NOW) is watermark
