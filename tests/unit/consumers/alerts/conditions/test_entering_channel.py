from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ("181 180 179 200 201 170 210 200", ". . . ! . . . !"),
    ],
)
def test_entering_channel_fires_on_a_change_of_side_and_never_on_the_first_price(
    fired_at: Callable[[str, str], str], prices: str, expected: str
) -> None:
    assert fired_at("AAPL entering channel 180 200", prices) == expected
