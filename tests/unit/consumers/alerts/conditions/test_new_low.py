from collections.abc import Callable


def test_new_low_fires_below_every_other_price_of_the_window(fired_at: Callable[[str, str], str]) -> None:
    assert fired_at("AAPL new low in 4s", "9 8 7 7 6 6 5 9 4") == ". . ! . ! . ! . !"
