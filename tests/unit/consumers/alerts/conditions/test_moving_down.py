from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    ("terms", "prices", "expected"),
    [
        ("AAPL moving down 5% in 3s", "100 95.01 95 94 92 80 100 94.9", ". . ! . . ! . ."),
        ("AAPL moving down 5% in 1s", "100 95.01 95 90.25 90 85.5", ". . . ! . !"),
        ("AAPL moving down 3.5 in 3s", "100 96.51 96.5 90 93", ". . ! . ."),
    ],
)
def test_moving_down_in_a_window_compares_with_its_oldest_price(
    fired_at: Callable[[str, str], str], terms: str, prices: str, expected: str
) -> None:
    assert fired_at(terms, prices) == expected
