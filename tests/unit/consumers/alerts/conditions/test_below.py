from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ("199 198 200 199", "! . . !"),
        ("201 200 199.99 100", ". . ! ."),
    ],
)
def test_below_fires_when_the_price_falls_below_the_threshold(
    fired_at: Callable[[str, str], str], prices: str, expected: str
) -> None:
    assert fired_at("AAPL below 200", prices) == expected
