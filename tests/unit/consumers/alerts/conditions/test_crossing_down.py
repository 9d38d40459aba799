from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ("199 201 200 199 200 201 190", ". . ! . . . !"),
    ],
)
def test_crossing_down_fires_when_the_price_reaches_the_threshold_from_above(
    fired_at: Callable[[str, str], str], prices: str, expected: str
) -> None:
    assert fired_at("AAPL crossing down 200", prices) == expected
