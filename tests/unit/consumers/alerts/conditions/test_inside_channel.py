from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ("181 180 179 200 201 190", "! . . ! . !"),
    ],
)
def test_inside_channel_fires_when_the_price_comes_to_be_inside(
    fired_at: Callable[[str, str], str], prices: str, expected: str
) -> None:
    assert fired_at("AAPL inside channel 180 200", prices) == expected
