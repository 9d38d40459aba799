import pycountry
import pytest

from shared.events.currencies import ACTIVE_CURRENCIES, is_currency


def test_the_list_is_that_of_iso_4217() -> None:
    assert {currency.alpha_3 for currency in pycountry.currencies} == ACTIVE_CURRENCIES


@pytest.mark.parametrize("code", ["GBp", "GBX", "ILA", "ZAc", "ZAC", "USX", "KWF", "usd", "US", "", None, 840, ["USD"]])
def test_hundredths_of_a_currency_and_other_spellings_are_not_currencies(code: object) -> None:
    assert not is_currency(code)
