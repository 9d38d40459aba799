import pytest

from shared.errors import InvalidEvent
from shared.symbols import check_symbol, join_names, read_symbol, routing_token


@pytest.mark.parametrize("symbol", ["A", "BRK.B", "^GSPC", "EURUSD=X", "SBIN:NSE", "BTC/USD", "M&M.NS", "X" * 32])
def test_a_symbol_in_the_form_of_the_exchange_is_accepted(symbol: str) -> None:
    assert check_symbol(symbol) == symbol


@pytest.mark.parametrize("symbol", ["", "aapl", "A B", "A*", "#", "X" * 33, "Ä", None, 5, "A\n"])
def test_any_other_form_is_rejected(symbol: object) -> None:
    with pytest.raises(InvalidEvent, match="symbol"):
        check_symbol(symbol)


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        *(("xyz", "XYZ"), ("brk.b", "BRK.B"), (" AAPL ", "AAPL"), ("m&m.ns", "M&M.NS"), ("btc/usd", "BTC/USD")),
        *(("NA", "NA"), ("na", "NA"), ("TRUE", "TRUE"), ("NULL", "NULL"), ("NAN", "NAN"), ("700.hk", "700.HK")),
    ],
)
def test_a_symbol_from_outside_may_be_all_lower_case(text: str, symbol: str) -> None:
    assert read_symbol(text) == symbol


@pytest.mark.parametrize("text", ["AMpB", "Aapl", "BRK.b", "BAC-pL", "NaN"])
def test_mixed_case_is_refused_with_the_reason(text: str) -> None:
    reason = f"symbol '{text}' mixes upper and lower case, and may be another security than {text.upper()}"
    with pytest.raises(InvalidEvent, match=reason):
        read_symbol(text)


# The upper case of the dotless i and of the long s is ASCII.
@pytest.mark.parametrize("text", ["", "a b", "xyz*", "\u0131bm", "te\u017ft", "stra\xdfe", "x" * 33, "Ab*", "北京"])
def test_any_other_text_is_not_a_symbol(text: str) -> None:
    with pytest.raises(InvalidEvent, match="is not 1-32 characters"):
        read_symbol(text)


def test_a_dot_is_a_dash_in_the_routing_key() -> None:
    assert routing_token("BRK.B") == "BRK-B"


def test_names_above_the_limit_are_counted() -> None:
    assert join_names(["AAPL"]) == "AAPL"
    assert join_names({"AAPL": 1, "MSFT": 2}) == "AAPL, MSFT"
    assert join_names([f"S{number}" for number in range(12)], most=2) == "S0, S1 and 10 more"
