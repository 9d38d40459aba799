import pycountry
import pytest

from shared.events.currencies import ACTIVE_CURRENCIES, OutsideCurrency, is_currency, read_currency


def test_the_list_is_that_of_iso_4217() -> None:
    assert {currency.alpha_3 for currency in pycountry.currencies} == ACTIVE_CURRENCIES


@pytest.mark.parametrize("code", ["GBp", "GBX", "ILA", "ZAc", "ZAC", "USX", "KWF", "usd", "US", "", None, 840, ["USD"]])
def test_hundredths_of_a_currency_and_other_spellings_are_not_currencies(code: object) -> None:
    assert not is_currency(code)


@pytest.mark.parametrize("code", sorted(ACTIVE_CURRENCIES))
def test_a_currency_from_outside_is_in_all_upper_or_all_lower_case(code: str) -> None:
    assert read_currency(f" {code} ") == OutsideCurrency(code)
    assert read_currency(code.lower()) == OutsideCurrency(code)


_PARTS = (
    "GBp",
    "GBX",
    "gbx",
    "Gbx",
    "ILA",
    "ila",
    "ZAc",
    "ZAC",
    "zac",
    "USX",
    "usx",
    "KWF",
    "kwf",
    "USd",
    "EUr",
    "ZAr",
)


@pytest.mark.parametrize("text", [*_PARTS, "", "  "])
def test_hundredths_and_nothing_are_no_currency(text: str) -> None:
    assert read_currency(text) == OutsideCurrency(None, is_unknown=False)


@pytest.mark.parametrize("text", ["DEM", "USDT", "dem", "Usd", "uSD", "gBP", "$", "US Dollar", "840", "\u017fek"])
def test_any_other_currency_is_unknown(text: str) -> None:
    assert read_currency(text) == OutsideCurrency(None, is_unknown=True)
