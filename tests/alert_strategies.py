"""Random rules and prices for comparisons with the oracle: prices near the thresholds, so that much happens."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import Phase
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.alert_oracle import OracleRule, Price
from tests.event_factories import AS_OF
from tests.oracle_comparison import engine_rule

SYMBOLS = ("AAPL", "BRK.B")
# Making a failed example smaller takes minutes, and the first difference says enough.
UNSHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)
# Few values, so that prices and times often equal a limit.
_SPANS = st.sampled_from(["1s", "2s", "3s", "5s", "4h"])
_LEVELS = st.sampled_from(["98", "99", "100", "101", "102"])
_CHANGES = st.sampled_from(["1%", "2%", "1", "2"])
_CHANNELS = st.sampled_from(["98 99", "99 101", "100 102"])

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
        "frequency": st.sampled_from(["once", "every", "once-per:2s", "once-per:4s"]),
        "for": _SPANS,
        "rearm": _LEVELS,
        "on_arm": st.sampled_from(["fire", "wait"]),
        "expires": st.integers(5, 30).map(lambda seconds: AS_OF + timedelta(seconds=seconds)),
        "resolved": st.just(True),
    },
)
# Prices around the thresholds, and now and then one that may be a split of them.
_PRICES = st.sampled_from([*["97", "98", "99", "100", "101", "102", "103"] * 6, "98.98", "101.97", "25", "50", "201"])
# Seconds from one price to the next: most are near, few are late, repeated or overnight.
_STEPS = st.sampled_from([*[1] * 14, *[2] * 6, 4, -3, 0, 14_400, 14_401])


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
    st.sampled_from([("USD", "simulated")] * 60 + [("USD", "yahoo"), (None, "simulated")]),
    st.sampled_from([None, 100, 101]),
    st.sampled_from([None, "99", "100", "101"]),
)


def arrivals(least: int = 15, most: int = 30) -> SearchStrategy[list[Price]]:
    """Return prices as they arrive: some late, some repeated, some of another world."""
    return st.lists(_ARRIVALS, min_size=least, max_size=most).map(_prices)


def _prices(found: list[tuple[Any, ...]]) -> list[Price]:
    prices, now = [], AS_OF
    for step, symbol, price, (currency, provider), volume, close in found:
        now += timedelta(seconds=step)
        previous_close = None if close is None else Decimal(close)
        prices.append(Price(symbol, now, Decimal(price), currency, provider, volume, previous_close))
    return prices
