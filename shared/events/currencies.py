"""Active currencies: the alphabetic codes of ISO 4217, list one, as of January 2026.

Source: https://www.six-group.com/en/products-services/financial-information/data-standards.html
"""

from typing import Literal, NamedTuple, get_args

# fmt: off
Currency = Literal[
    "AED", "AFN", "ALL", "AMD", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BHD", "BIF", "BMD", "BND",
    "BOB", "BOV", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHE", "CHF", "CHW", "CLF", "CLP", "CNY",
    "COP", "COU", "CRC", "CUP", "CVE", "CZK", "DJF", "DKK", "DOP", "DZD", "EGP", "ERN", "ETB", "EUR", "FJD", "FKP",
    "GBP", "GEL", "GHS", "GIP", "GMD", "GNF", "GTQ", "GYD", "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IQD",
    "IRR", "ISK", "JMD", "JOD", "JPY", "KES", "KGS", "KHR", "KMF", "KPW", "KRW", "KWD", "KYD", "KZT", "LAK", "LBP",
    "LKR", "LRD", "LSL", "LYD", "MAD", "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRU", "MUR", "MVR", "MWK", "MXN",
    "MXV", "MYR", "MZN", "NAD", "NGN", "NIO", "NOK", "NPR", "NZD", "OMR", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN",
    "PYG", "QAR", "RON", "RSD", "RUB", "RWF", "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD",
    "SSP", "STN", "SVC", "SYP", "SZL", "THB", "TJS", "TMT", "TND", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "UGX",
    "USD", "USN", "UYI", "UYU", "UYW", "UZS", "VED", "VES", "VND", "VUV", "WST", "XAD", "XAF", "XAG", "XAU", "XBA",
    "XBB", "XBC", "XBD", "XCD", "XCG", "XDR", "XOF", "XPD", "XPF", "XPT", "XSU", "XTS", "XUA", "XXX", "YER", "ZAR",
    "ZMW", "ZWG",
]
# fmt: on

ACTIVE_CURRENCIES: frozenset[str] = frozenset(get_args(Currency))


def is_currency(value: object) -> bool:
    """Return True if `value` is an active currency code, spelled as ISO 4217 spells it."""
    return isinstance(value, str) and value in ACTIVE_CURRENCIES


# Names of hundredths and thousandths of a currency. They are not currencies, in any spelling.
_PARTS_OF_CURRENCIES = frozenset({"GBX", "ILA", "KWF", "USX", "ZAC"})


class OutsideCurrency(NamedTuple):
    """A currency in text from outside; `is_unknown` if the text names neither a currency nor a part of one."""

    code: str | None
    is_unknown: bool = False


def read_currency(text: str) -> OutsideCurrency:
    """Return the active code in `text`, in all upper or all lower case, or None for anything else.

    Prices in pence are not in pounds: `GBp`, `GBX`, `ILA`, `ZAc`, `USX` and `KWF` have no code, in any spelling, and
    are not unknown either.
    """
    text = text.strip()
    raised = text.upper() if text.isascii() else ""
    if not text or raised in _PARTS_OF_CURRENCIES:
        return OutsideCurrency(None)
    if raised in ACTIVE_CURRENCIES and text in (raised, raised.lower()):
        return OutsideCurrency(raised)
    is_part = raised in ACTIVE_CURRENCIES and text == raised[:2] + raised[2:].lower()
    return OutsideCurrency(None, is_unknown=not is_part)
