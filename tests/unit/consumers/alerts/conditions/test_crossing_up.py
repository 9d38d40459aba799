from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ("201 199 200 201 200 199 205", ". . ! . . . !"),
    ],
)
def test_crossing_up_fires_when_the_price_reaches_the_threshold_from_below(
    fired_at: Callable[[str, str], str], prices: str, expected: str
) -> None:
    assert fired_at("AAPL crossing up 200", prices) == expected
