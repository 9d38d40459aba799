from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        # The window of 4 s needs 2 s of prices; equality is not a new high.
        ("1 2 3 3 4 4 5 1 6", ". . ! . ! . ! . !"),
        # A price that is 5 s old is forgotten.
        ("9 5 5 5 5 6 7 5 8", ". . . . . ! . . !"),
        ("9 5 5 5 6 5 5 5 5 5.5", ". . . . . . . . . !"),
    ],
)
def test_new_high_fires_above_every_other_price_of_the_window(
    fired_at: Callable[[str, str], str], prices: str, expected: str
) -> None:
    assert fired_at("AAPL new high in 4s", prices) == expected
