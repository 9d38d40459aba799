from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ("179 180 200 201 190 170 210 190 210", ". . . ! . ! . . !"),
    ],
)
def test_exiting_channel_fires_on_a_change_of_side_and_never_on_the_first_price(
    fired_at: Callable[[str, str], str], prices: str, expected: str
) -> None:
    assert fired_at("AAPL exiting channel 180 200", prices) == expected
