from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ("199 200 201 200 199 199", ". ! . ! . ."),
        ("300 100 300 300", ". ! ! ."),
    ],
)
def test_crossing_fires_when_the_price_reaches_the_threshold_from_either_side(
    fired_at: Callable[[str, str], str], prices: str, expected: str
) -> None:
    assert fired_at("AAPL crossing 200", prices) == expected
