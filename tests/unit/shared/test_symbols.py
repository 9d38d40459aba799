import pytest

from shared.errors import InvalidEvent
from shared.symbols import check_symbol, join_names, routing_token


@pytest.mark.parametrize("symbol", ["A", "BRK.B", "^GSPC", "EURUSD=X", "SBIN:NSE", "BTC/USD", "M&M.NS", "X" * 32])
def test_a_symbol_in_the_form_of_the_exchange_is_accepted(symbol: str) -> None:
    assert check_symbol(symbol) == symbol


@pytest.mark.parametrize("symbol", ["", "aapl", "A B", "A*", "#", "X" * 33, "Ä", None, 5, "A\n"])
def test_any_other_form_is_rejected(symbol: object) -> None:
    with pytest.raises(InvalidEvent, match="symbol"):
        check_symbol(symbol)


def test_a_dot_is_a_dash_in_the_routing_key() -> None:
    assert routing_token("BRK.B") == "BRK-B"


def test_names_above_the_limit_are_counted() -> None:
    assert join_names(["AAPL"]) == "AAPL"
    assert join_names({"AAPL": 1, "MSFT": 2}) == "AAPL, MSFT"
    assert join_names([f"S{number}" for number in range(12)], most=2) == "S0, S1 and 10 more"
