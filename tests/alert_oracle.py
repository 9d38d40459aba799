"""The alerts that rules must raise, by a plain loop over every price and every rule, without any code of the engine.

It is written from the definitions of the rules alone, and keeps every price and every state in lists and dictionaries.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any, NamedTuple

# A price has at most 15 digits, also after a split.
PRICE_DIGITS = Context(prec=15)
SPLITS = [Fraction(number) for number in (2, 3, 4, 5, 10, 20, 100)]
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class Price(NamedTuple):
    """A price as it arrives. `provider` is `simulated` or `replay` for a price of no market."""

    symbol: str
    as_of: datetime
    price: Decimal
    currency: str | None = "USD"
    provider: str = "simulated"
    volume: int | None = None
    previous_close: Decimal | None = None

    @property
    def world(self) -> tuple[str | None, bool]:
        return self.currency, self.provider not in ("simulated", "replay")


class Expected(NamedTuple):
    """An alert that must be raised."""

    rule: str
    symbol: str
    state: str
    as_of: datetime
    price: Decimal
    previous_price: Decimal | None
    threshold: Decimal | None


@dataclass
class OracleRule:
    """A rule as people write it: `options` has the values of `--for`, `--frequency` and so on by name."""

    name: str
    text: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.symbol, *self.words = self.text.split()
        self.prices = [Decimal(word) for word in self.words[1:] if word[0].isdigit() and word[-1].isdigit()]
        self.kind = " ".join(word for word in self.words if word.isalpha() and word not in ("in", "since", "close"))
        self.window = seconds(self.words[-1]) if "in" in self.words else None
        self.is_percent = "%" in self.text
        if self.is_percent:
            self.prices = [Decimal(word[:-1]) for word in self.words if word[-1] == "%"]
        self.is_event = self.kind.startswith(("crossing", "entering", "exiting"))
        self.hold = seconds(self.options["for"]) if "for" in self.options else None
        frequency = self.options.get("frequency", "every")
        self.once = frequency == "once"
        self.per = seconds(frequency.partition(":")[2]) if ":" in frequency else None
        self.rearm = Decimal(self.options["rearm"]) if "rearm" in self.options else None

    @property
    def threshold(self) -> Decimal | None:
        """Return the one number of the rule, or None."""
        return self.prices[0] if len(self.prices) == 1 else None

    @property
    def threshold_is_price(self) -> bool:
        return bool(self.prices) and not self.is_percent and self.kind != "volume above"

    def split(self, ratio: Fraction) -> None:
        """Divide the prices of the rule, but no percent and no volume."""
        if self.threshold_is_price:
            self.prices = [divided(price, ratio) for price in self.prices]
        self.rearm = None if self.rearm is None else divided(self.rearm, ratio)

    def is_rearmed(self, price: Decimal) -> bool:
        """Return True if the price has returned to the price of `--rearm`."""
        rises = self.kind in ("above", "crossing up")
        return self.rearm is not None and (price <= self.rearm if rises else price >= self.rearm)


@dataclass
class Feed:
    """The prices of one symbol: the last one that counted, all that windows see, and the newest."""

    mark: Price | None = None
    times: list[datetime] = field(default_factory=list)
    prices: list[Decimal] = field(default_factory=list)
    newest: tuple[datetime, Decimal] | None = None
    held_at: datetime | None = None

    def keep(self, event: Price) -> None:
        self.times.append(event.as_of)
        self.prices.append(event.price)
        self.newest = event.as_of, event.price

    def since(self, start: datetime) -> int:
        return bisect_left(self.times, start)


@dataclass
class State:
    """`active` is None before the first evaluation, then True from becoming true to being armed again."""

    active: bool | None = None
    true_since: datetime | None = None
    told: bool = False
    last_told: datetime | None = None
    expired: bool = False


class Oracle:
    """All rules, and all prices so far. `held` has the symbols whose rules wait for `release`."""

    def __init__(self, rules: Iterable[OracleRule]) -> None:
        self.rules = list(rules)
        self.feeds: dict[str, Feed] = {}
        self.states: dict[tuple[str, str], State] = {}
        self.held: set[str] = set()
        self._of_symbol: dict[str, list[OracleRule]] = {}

    def take(self, event: Price) -> list[Expected]:
        """Return the alerts of the next price that arrives, in the order of the rules."""
        feed = self.feeds.setdefault(event.symbol, Feed())
        if feed.mark is not None and feed.mark.world != event.world:
            self._change_world(event.symbol)
            feed = self.feeds[event.symbol]
        newest = feed.newest
        if newest is not None and event.as_of <= newest[0]:
            return []
        feed.keep(event)
        if event.symbol in self.held:
            return []
        if newest is not None and may_be_split(newest, (event.as_of, event.price)) and self._rules(event.symbol):
            self.held.add(event.symbol)
            feed.held_at = event.as_of
            return []
        previous, feed.mark = feed.mark, event
        return [alert for rule in self._rules(event.symbol) for alert in self._step(rule, feed, previous, event)]

    def release(self, symbol: str, ratio: Fraction | None) -> None:
        """End a hold: with a ratio by a split, without one as it is."""
        self.held.remove(symbol)
        feed = self.feeds[symbol]
        if ratio is None:
            return
        for rule in self.rules:
            if rule.symbol == symbol:
                rule.split(ratio)
        assert feed.held_at is not None
        for place in range(feed.since(feed.held_at)):
            feed.prices[place] = divided(feed.prices[place], ratio)
        assert feed.mark is not None
        feed.mark = feed.mark._replace(price=divided(feed.mark.price, ratio))

    def _rules(self, symbol: str) -> list[OracleRule]:
        if symbol not in self._of_symbol:
            self._of_symbol[symbol] = [rule for rule in self.rules if rule.symbol in ("*", symbol)]
        return self._of_symbol[symbol]

    def _change_world(self, symbol: str) -> None:
        self.feeds[symbol] = Feed()
        self.held.discard(symbol)
        for rule in self._rules(symbol):
            state = self.states.get((rule.name, symbol), State())
            self.states[rule.name, symbol] = State(expired=state.expired)

    def _step(self, rule: OracleRule, feed: Feed, previous: Price | None, event: Price) -> list[Expected]:
        state = self.states.setdefault((rule.name, event.symbol), State())
        truth = happened(rule, previous, event) if rule.is_event else is_true(rule, feed, event)
        if state.expired or truth is None:
            return []
        told = follow(rule, state, event, truth=truth)
        if told is None:
            return []
        before = None if previous is None else previous.price
        threshold = rule.threshold
        return [Expected(rule.name, event.symbol, told, event.as_of, event.price, before, threshold)]


def follow(rule: OracleRule, state: State, event: Price, *, truth: bool) -> str | None:
    """Change the state by one price, and return the state to tell, `firing` or `resolved`, or None."""
    expires = rule.options.get("expires")
    over = expires is not None and event.as_of >= expires
    if state.active:
        if rule.is_rearmed(event.price) if rule.rearm is not None else not truth:
            resolved = state.told and rule.options.get("resolved", False) and not over
            state.active, state.told, state.true_since = False, False, None
            return "resolved" if resolved else None
        return None
    is_first, state.active = state.active is None, False
    if not truth:
        state.true_since = None
        return None
    if is_first and rule.options.get("on_arm") == "wait":
        state.active = True
        return None
    state.true_since = state.true_since or event.as_of
    if rule.hold is not None and event.as_of - state.true_since < rule.hold:
        return None
    # An event such as a crossing is over at once, unless it waits for the price of `--rearm`.
    state.active = not rule.is_event or rule.rearm is not None
    state.true_since = None
    too_soon = rule.per is not None and state.last_told is not None and event.as_of - state.last_told < rule.per
    state.told = not over and not too_soon
    if not state.told:
        return None
    state.last_told, state.expired = event.as_of, rule.once
    return "firing"


def is_true(rule: OracleRule, feed: Feed, event: Price) -> bool | None:
    """Return if a state condition is true, or None if the event lacks what it needs."""
    price = event.price
    match rule.kind:
        case "above":
            return price > rule.prices[0]
        case "below":
            return price < rule.prices[0]
        case "inside channel":
            return is_inside(rule, price)
        case "outside channel":
            return not is_inside(rule, price)
        case "volume above":
            return None if event.volume is None else event.volume > rule.prices[0]
        case "moving up" | "moving down":
            return has_moved(rule, feed, event)
        case "new high" | "new low":
            return is_extreme(rule, feed, event)
    raise AssertionError(f"{rule.text}: unknown to the oracle")


def happened(rule: OracleRule, previous: Price | None, event: Price) -> bool:
    """Return True if an event condition happened between two prices."""
    if previous is None:
        return False
    if "channel" in rule.kind:
        change = is_inside(rule, previous.price), is_inside(rule, event.price)
        return change == ((False, True) if rule.kind == "entering channel" else (True, False))
    up = previous.price < rule.prices[0] <= event.price
    down = previous.price > rule.prices[0] >= event.price
    return {"crossing": up or down, "crossing up": up, "crossing down": down}[rule.kind]


def is_inside(rule: OracleRule, price: Decimal) -> bool:
    low, high = rule.prices
    return low <= price <= high


def has_moved(rule: OracleRule, feed: Feed, event: Price) -> bool | None:
    """Compare with the oldest price of the window, which may be this one, or with the last close."""
    base = event.previous_close if rule.window is None else feed.prices[feed.since(event.as_of - rule.window)]
    if base is None:
        return None
    change = Fraction(rule.prices[0])
    step = Fraction(base) * change / 100 if rule.is_percent else change
    if rule.kind == "moving up":
        return Fraction(event.price) >= Fraction(base) + step
    return Fraction(event.price) <= Fraction(base) - step


def is_extreme(rule: OracleRule, feed: Feed, event: Price) -> bool:
    """Compare with all other prices of the window, of which the oldest must be at least half as old as the window."""
    assert rule.window is not None
    first = feed.since(event.as_of - rule.window)
    others = feed.prices[first:-1]
    if not others or event.as_of - feed.times[first] < rule.window / 2:
        return False
    return event.price > max(others) if rule.kind == "new high" else event.price < min(others)


def may_be_split(before: tuple[datetime, Decimal], now: tuple[datetime, Decimal]) -> bool:
    """Return True after a jump of more than four hours by about the ratio of a split, or its inverse."""
    # The second part only saves time: most prices are far from twice or half the last one.
    if now[0] - before[0] <= timedelta(hours=4) or before[1] * 6 < now[1] * 10 < before[1] * 16:
        return False
    jump = Fraction(now[1]) / Fraction(before[1])
    return any(abs(jump - ratio) <= ratio * Fraction(35, 1000) for each in SPLITS for ratio in (each, 1 / each))


def divided(price: Decimal, ratio: Fraction) -> Decimal:
    return PRICE_DIGITS.divide(price * ratio.denominator, Decimal(ratio.numerator))


def seconds(text: str) -> timedelta:
    """Return the length of `30s`, `7d` or `52w`."""
    return timedelta(seconds=int(text[:-1]) * UNITS[text[-1]])
