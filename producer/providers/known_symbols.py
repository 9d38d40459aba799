"""Rough price, volume and volatility of well-known symbols, so that simulated prices look familiar."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class KnownSymbol:
    """The level that simulated prices move around, in `currency` and with `decimals` decimal places.

    `volume` is the average number of shares per day; `volatility` is per year, 0.25 being 25 %.
    """

    price: float
    volume: int
    volatility: float = 0.25
    currency: str = "USD"
    decimals: int = 2


def find_known_symbol(symbol: str) -> KnownSymbol | None:
    """Return what is known of the symbol, also in Yahoo's spelling (`BRK-B` for `BRK.B`), or None."""
    return _KNOWN.get(symbol) or _KNOWN.get(symbol.replace("-", "."))


_MILLION = 1_000_000

# Levels of late 2025, rounded.
_KNOWN: Mapping[str, KnownSymbol] = {
    "AAPL": KnownSymbol(265, 50 * _MILLION),
    "ABBV": KnownSymbol(225, 6 * _MILLION),
    "ADBE": KnownSymbol(340, 4 * _MILLION),
    "AMD": KnownSymbol(215, 45 * _MILLION, 0.45),
    "AMZN": KnownSymbol(230, 45 * _MILLION),
    "ASML": KnownSymbol(1_000, 2 * _MILLION),
    "AVGO": KnownSymbol(350, 20 * _MILLION, 0.4),
    "BA": KnownSymbol(200, 8 * _MILLION),
    "BABA": KnownSymbol(160, 15 * _MILLION, 0.4),
    "BAC": KnownSymbol(52, 38 * _MILLION),
    "BRK.A": KnownSymbol(720_000, 500, 0.15),
    "BRK.B": KnownSymbol(480, 4 * _MILLION, 0.15),
    "C": KnownSymbol(100, 14 * _MILLION),
    "CAT": KnownSymbol(550, 3 * _MILLION),
    "COST": KnownSymbol(920, 2 * _MILLION),
    "CRM": KnownSymbol(245, 7 * _MILLION),
    "CSCO": KnownSymbol(75, 20 * _MILLION),
    "CVX": KnownSymbol(155, 8 * _MILLION),
    "DIS": KnownSymbol(110, 9 * _MILLION),
    "F": KnownSymbol(13, 55 * _MILLION),
    "GE": KnownSymbol(300, 5 * _MILLION),
    "GOOG": KnownSymbol(285, 22 * _MILLION),
    "GOOGL": KnownSymbol(284, 33 * _MILLION),
    "GS": KnownSymbol(800, 2 * _MILLION),
    "HD": KnownSymbol(380, 4 * _MILLION),
    "IBM": KnownSymbol(300, 5 * _MILLION),
    "INTC": KnownSymbol(37, 80 * _MILLION, 0.45),
    "JNJ": KnownSymbol(195, 8 * _MILLION, 0.15),
    "JPM": KnownSymbol(305, 9 * _MILLION),
    "KO": KnownSymbol(71, 16 * _MILLION, 0.15),
    "LLY": KnownSymbol(950, 4 * _MILLION),
    "MA": KnownSymbol(550, 3 * _MILLION),
    "MCD": KnownSymbol(305, 3 * _MILLION, 0.15),
    "META": KnownSymbol(640, 14 * _MILLION),
    "MRK": KnownSymbol(95, 12 * _MILLION),
    "MSFT": KnownSymbol(490, 22 * _MILLION),
    "NFLX": KnownSymbol(110, 35 * _MILLION, 0.35),
    "NKE": KnownSymbol(65, 15 * _MILLION),
    "NVDA": KnownSymbol(185, 180 * _MILLION, 0.4),
    "ORCL": KnownSymbol(220, 18 * _MILLION, 0.4),
    "PEP": KnownSymbol(147, 8 * _MILLION, 0.15),
    "PFE": KnownSymbol(25, 55 * _MILLION),
    "PG": KnownSymbol(148, 9 * _MILLION, 0.15),
    "PLTR": KnownSymbol(170, 60 * _MILLION, 0.55),
    "QCOM": KnownSymbol(172, 9 * _MILLION),
    "SAP": KnownSymbol(250, 2 * _MILLION),
    "T": KnownSymbol(26, 38 * _MILLION, 0.15),
    "TSLA": KnownSymbol(420, 85 * _MILLION, 0.5),
    "TSM": KnownSymbol(290, 12 * _MILLION, 0.35),
    "UNH": KnownSymbol(325, 9 * _MILLION),
    "V": KnownSymbol(335, 6 * _MILLION),
    "WFC": KnownSymbol(86, 14 * _MILLION),
    "WMT": KnownSymbol(105, 18 * _MILLION),
    "XOM": KnownSymbol(117, 15 * _MILLION),
    "DIA": KnownSymbol(470, 4 * _MILLION, 0.15),
    "GLD": KnownSymbol(380, 14 * _MILLION, 0.15),
    "IWM": KnownSymbol(245, 32 * _MILLION, 0.2),
    "QQQ": KnownSymbol(610, 50 * _MILLION, 0.2),
    "SPY": KnownSymbol(675, 70 * _MILLION, 0.15),
    "TLT": KnownSymbol(89, 33 * _MILLION, 0.12),
    "VOO": KnownSymbol(620, 8 * _MILLION, 0.15),
    "VTI": KnownSymbol(332, 4 * _MILLION, 0.15),
    "^DJI": KnownSymbol(47_000, 500 * _MILLION, 0.15),
    "^GSPC": KnownSymbol(6_750, 5_000 * _MILLION, 0.15),
    "^IXIC": KnownSymbol(23_000, 8_000 * _MILLION, 0.2),
    "BTC-USD": KnownSymbol(95_000, 20_000, 0.5),
    "ETH-USD": KnownSymbol(3_200, 500_000, 0.6),
    "SOL-USD": KnownSymbol(140, 20 * _MILLION, 0.7),
    "AUDUSD=X": KnownSymbol(0.65, 0, 0.09, decimals=5),
    "EURUSD=X": KnownSymbol(1.16, 0, 0.08, decimals=5),
    "GBPUSD=X": KnownSymbol(1.32, 0, 0.08, decimals=5),
    "USDCAD=X": KnownSymbol(1.40, 0, 0.07, "CAD", 5),
    "USDCHF=X": KnownSymbol(0.80, 0, 0.08, "CHF", 5),
    "USDJPY=X": KnownSymbol(155, 0, 0.09, "JPY", 3),
}
