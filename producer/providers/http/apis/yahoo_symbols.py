"""Yahoo's spelling of symbols. Source of the suffixes: https://help.yahoo.com/kb/SLN2310.html."""

import re

# A dot before one of these suffixes separates the exchange. Any other dot, as in BRK.B, is a dash at Yahoo.
_SUFFIXES = """
    AE AS AT AX BA BD BE BK BM BO BR CA CBT CL CME CMX CN CO CR DE DU F HA HE HK HM IC IL IR IS JK JO KL KQ KS KW L LS
    MC ME MI MU MX NE NS NX NYB NYM NZ OL PA PR PS QA RG RO SA SAU SG SI SN SR SS ST SW SZ T TA TI TL TO TW TWO V VI
    VN VS WA XA XC XD
"""
_EXCHANGES = frozenset(_SUFFIXES.split())
_PAIR_WITH_DOLLAR = re.compile(r"USD([A-Z]{3}=X)")


def yahoo_symbol(symbol: str) -> str:
    """Return the symbol in Yahoo's spelling."""
    name, dot, suffix = symbol.rpartition(".")
    return f"{name.replace('.', '-')}.{suffix}" if dot and suffix in _EXCHANGES else symbol.replace(".", "-")


def answered_symbol(yahoo_name: str) -> str:
    """Return the symbol as Yahoo's answers spell it: USDEUR=X is shortened to EUR=X, but GBPEUR=X stays as it is."""
    pair = _PAIR_WITH_DOLLAR.fullmatch(yahoo_name)
    return pair[1] if pair else yahoo_name
