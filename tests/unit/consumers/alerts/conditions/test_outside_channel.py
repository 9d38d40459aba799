from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ("179 178 180 200 200.01 170 190 210", "! . . . ! . . !"),
    ],
)
def test_outside_channel_fires_when_the_price_comes_to_be_outside(
    fired_at: Callable[[str, str], str], prices: str, expected: str
) -> None:
    assert fired_at("AAPL outside channel 180 200", prices) == expected
