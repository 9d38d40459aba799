"""Random rules and prices for comparisons with the oracle: prices near the thresholds, so that much happens."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.alert_oracle import OracleRule, Price
from tests.event_factories import AS_OF
from tests.oracle_comparison import engine_rule

SYMBOLS = ("AAPL", "BRK.B")
_SPANS = st.sampled_from(["2s", "5s", "30s", "5h", "1d"])
_LEVELS = st.sampled_from(["95", "97.5", "98", "100", "100.5", "102", "105"])
_CHANGES = st.sampled_from(["1%", "2.5%", "5%", "1", "2.5", "5"])
_CHANNELS = st.sampled_from(["95 100", "98 102", "100 100.5"])

_CONDITIONS = st.one_of(
    st.builds("{} {}".format, st.sampled_from(["above", "below"]), _LEVELS),
    st.builds("{} {}".format, st.sampled_from(["crossing", "crossing up", "crossing down"]), _LEVELS),
    st.builds("{} channel {}".format, st.sampled_from(["inside", "outside", "entering", "exiting"]), _CHANNELS),
    st.builds("moving {} {} in {}".format, st.sampled_from(["up", "down"]), _CHANGES, _SPANS),
    st.builds("moving {} {} since close".format, st.sampled_from(["up", "down"]), _CHANGES),
    st.builds("new {} in {}".format, st.sampled_from(["high", "low"]), _SPANS),
    st.builds("volume above {}".format, st.sampled_from(["100", "200"])),
)
_OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "frequency": st.sampled_from(["once", "every", "once-per:5s", "once-per:1d"]),
        "for": _SPANS,
        "rearm": _LEVELS,
        "on_arm": st.sampled_from(["fire", "wait"]),
        "expires": st.integers(1, 100_000).map(lambda seconds: AS_OF + timedelta(days=30, seconds=seconds)),
        "resolved": st.just(True),
    },
)
# Prices around the thresholds, and some that a split makes of them.
_PRICES = st.one_of(
    st.sampled_from(["94", "95", "97", "97.5", "98", "99", "100", "100.5", "101", "102", "103", "105", "106"]),
    st.sampled_from(["25", "33.3", "49", "50", "52", "195", "200", "201", "407"]),
)
# Seconds from one price to the next: late, repeated, near, and overnight.
_STEPS = st.sampled_from([-3, 0, 1, 1, 1, 2, 4, 14_400, 14_401, 40_000])


@st.composite
def rules(draw: st.DrawFn, symbols: SearchStrategy[str], name: str = "rule") -> OracleRule:
    """Return a rule with the options that its condition allows."""
    text = f"{draw(symbols)} {draw(_CONDITIONS)}"
    allowed: dict[str, object] = {}
    for option, value in draw(_OPTIONS).items():
        try:
            engine_rule(OracleRule(name, text, allowed | {option: value}))
        except ValueError:
            continue
        allowed[option] = value
    return OracleRule(name, text, allowed)


# All that an arrival has beside its time, and the seconds since the one before.
_ARRIVALS = st.tuples(
    _STEPS,
    st.sampled_from(SYMBOLS),
    _PRICES,
    st.sampled_from([("USD", "simulated")] * 30 + [("USD", "yahoo"), (None, "simulated")]),
    st.sampled_from([None, 50, 100, 150, 250]),
    st.sampled_from([None, "99", "100", "101"]),
)


def arrivals(most: int = 25) -> SearchStrategy[list[Price]]:
    """Return prices as they arrive: some late, some repeated, some of another world."""
    return st.lists(_ARRIVALS, min_size=1, max_size=most).map(_prices)


def _prices(found: list[tuple[Any, ...]]) -> list[Price]:
    prices, now = [], AS_OF
    for step, symbol, price, (currency, provider), volume, close in found:
        now += timedelta(seconds=step)
        previous_close = None if close is None else Decimal(close)
        prices.append(Price(symbol, now, Decimal(price), currency, provider, volume, previous_close))
    return prices
