from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ("201 202 200 201", "! . . !"),
        ("199 200 200.01 300", ". . ! ."),
    ],
)
def test_above_fires_when_the_price_rises_above_the_threshold(
    fired_at: Callable[[str, str], str], prices: str, expected: str
) -> None:
    assert fired_at("AAPL above 200", prices) == expected
