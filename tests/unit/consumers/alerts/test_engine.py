from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.alerts.engine import RuleIndex, Watermark, raise_alert
from consumers.alerts.rules.parser import Condition, Rule, parse_condition
from shared.events import StockData, price_alert_id
from tests.factories import AS_OF, NOW, price_series, stock_data


def rule(text: str, number: int = 1, revision: int = 1) -> Rule:
    return Rule(number, f"rule {number}", *parse_condition(text), revision=revision)


def fired(rules: Sequence[Rule], events: Sequence[StockData]) -> list[tuple[int, str]]:
    """(rule id, event id) of what the events fire, with the same rules from first to last."""
    book = RuleIndex(rules, revision=1)
    marks: dict[str, Watermark] = {}
    found = []
    for event in events:
        marks[event.symbol], rules_fired = book.evaluate(event, marks.get(event.symbol))
        found += [(each.id, event.id) for each in rules_fired]
    return found


def prices_that_fire(text: str, prices: str) -> str:
    events = price_series(prices.split())
    hits = {event_id for _, event_id in fired([rule(text)], events)}
    return " ".join("!" if event.id in hits else "." for event in events)


@pytest.mark.parametrize(
    ("text", "prices", "expected"),
    [
        ("AAPL above 200", "201 202 200 201", "! . . !"),
        ("AAPL above 200", "199 200 200.01 300", ". . ! ."),
        ("AAPL below 200", "199 198 200 199", "! . . !"),
        ("AAPL below 200", "201 200 199.99 100", ". . ! ."),
        ("AAPL crossing up 200", "201 199 200 201 200 199 205", ". . ! . . . !"),
        ("AAPL crossing down 200", "199 201 200 199 200 201 190", ". . ! . . . !"),
        ("AAPL crossing 200", "199 200 201 200 199 199", ". ! . ! . ."),
        ("AAPL crossing 200", "300 100 300 300", ". ! ! ."),
    ],
)
def test_each_condition_fires_as_the_contract_says(text: str, prices: str, expected: str) -> None:
    assert prices_that_fire(text, prices) == expected


def test_an_event_that_is_not_newer_changes_and_fires_nothing() -> None:
    book = RuleIndex([rule("AAPL above 200")], revision=1)
    before, _ = book.evaluate(stock_data(price="199"), None)
    for late in (AS_OF, AS_OF - timedelta(seconds=1)):
        after, rules_fired = book.evaluate(stock_data(price="201", as_of=late), before)
        assert after is before
        assert rules_fired == []


def test_a_state_that_holds_already_when_its_rule_is_made_fires_with_the_next_price() -> None:
    first, second, third = price_series(["201", "201", "202"])
    before, _ = RuleIndex([], revision=1).evaluate(first, None)
    book = RuleIndex([rule("AAPL above 200", revision=2)], revision=2)
    before, rules_fired = book.evaluate(second, before)
    assert [each.id for each in rules_fired] == [1]
    assert book.evaluate(third, before)[1] == []


def test_crossing_counts_from_the_price_before_the_rule_was_made() -> None:
    first, second = price_series(["199", "201"])
    before, _ = RuleIndex([], revision=1).evaluate(first, None)
    book = RuleIndex([rule("AAPL crossing up 200", revision=2)], revision=2)
    assert len(book.evaluate(second, before)[1]) == 1


def test_a_rule_on_every_symbol_holds_for_each_on_its_own() -> None:
    apple, late_apple = price_series(["201", "202"])
    other, late_other = price_series(["199", "201"], symbol="BRK.B")
    events = [apple, other, late_apple, late_other]
    assert fired([rule("* above 200")], events) == [(1, apple.id), (1, late_other.id)]


def test_rules_fire_in_the_order_they_were_made() -> None:
    rules = [rule("* above 5", 3), rule("AAPL above 100", 1), rule("AAPL above 10", 2)]
    event = stock_data()
    assert fired(rules, [event]) == [(1, event.id), (2, event.id), (3, event.id)]


def test_an_alert_carries_both_prices_and_a_deterministic_id() -> None:
    event = stock_data(price="201")
    before = Watermark(AS_OF - timedelta(days=1), Decimal("199.5"), 1)
    alert = raise_alert(rule("* crossing up 200", 7), event, before, NOW)
    assert alert.id == price_alert_id(7, "rule 7", event.id)
    assert alert.data() == {
        "rule_id": 7,
        "rule_name": "rule 7",
        "condition": "crossing_up",
        "symbol": "AAPL",
        "price": "201",
        "previous_price": "199.5",
        "threshold": "200",
        "as_of": "2024-11-20T09:59:58Z",
        "triggered_at": "2024-11-20T10:00:03.120000Z",
        "event_id": event.id,
    }
    assert raise_alert(rule("AAPL above 200"), event, None, NOW).previous_price is None


@dataclass
class Oracle:
    """The contract's words, rule by rule: it looks at every rule for every event."""

    last: dict[str, StockData] = field(default_factory=dict)
    held: dict[tuple[int, str], bool] = field(default_factory=dict)

    def fired(self, rules: Sequence[Rule], event: StockData) -> list[int]:
        last = self.last.get(event.symbol)
        if last is not None and event.as_of <= last.as_of:
            return []
        self.last[event.symbol] = event
        mine = [each for each in rules if each.symbol in ("*", event.symbol)]
        return sorted(each.id for each in mine if self._fires(each, event, last))

    def _fires(self, each: Rule, event: StockData, last: StockData | None) -> bool:
        price, threshold = event.price, each.threshold
        if each.condition in (Condition.ABOVE, Condition.BELOW):
            holds = price > threshold if each.condition is Condition.ABOVE else price < threshold
            held = self.held.get((each.id, event.symbol), False)
            self.held[each.id, event.symbol] = holds
            return holds and not held
        if last is None:
            return False
        up = last.price < threshold <= price
        down = last.price > threshold >= price
        return {Condition.CROSSING_UP: up, Condition.CROSSING_DOWN: down}.get(each.condition, up or down)


@dataclass(frozen=True)
class Add:
    symbol: str
    condition: Condition
    threshold: int


@dataclass(frozen=True)
class Remove:
    index: int


@dataclass(frozen=True)
class Tick:
    symbol: str
    price: int
    second: int


SYMBOLS = ["A", "B"]
SMALL = st.integers(1, 6)
ADD = st.builds(Add, st.sampled_from([*SYMBOLS, "*"]), st.sampled_from(Condition), SMALL)
REMOVE = st.builds(Remove, st.integers(0, 9))
TICK = st.builds(Tick, st.sampled_from(SYMBOLS), SMALL, st.integers(0, 40))


@settings(max_examples=300, deadline=None)
@given(st.lists(ADD, max_size=6), st.lists(st.one_of(TICK, TICK, TICK, ADD, REMOVE), max_size=60))
def test_it_fires_what_looking_at_every_rule_would(first: list[Add], steps: list[Add | Remove | Tick]) -> None:
    oracle = Oracle()
    rules: list[Rule] = []
    revision = 0
    marks: dict[str, Watermark] = {}
    for step in [*first, *steps]:
        if isinstance(step, Tick):
            event = stock_data(step.symbol, str(step.price), AS_OF + timedelta(seconds=step.second))
            before = marks.get(step.symbol)
            marks[step.symbol], found = RuleIndex(rules, revision).evaluate(event, before)
            assert [each.id for each in found] == oracle.fired(rules, event)
        elif isinstance(step, Add):
            revision += 1
            terms = (step.symbol, step.condition, Decimal(step.threshold))
            rules.append(Rule(revision, f"rule {revision}", *terms, revision=revision))
        elif rules:
            revision += 1
            rules.pop(step.index % len(rules))


class Counted(Decimal):
    """A price that counts how often it is compared."""

    comparisons = 0

    def __lt__(self, other: object) -> bool:
        Counted.comparisons += 1
        return super().__lt__(other)  # type: ignore[operator]

    def __gt__(self, other: object) -> bool:
        Counted.comparisons += 1
        return super().__gt__(other)  # type: ignore[operator]


def comparisons_of_one_event(count: int) -> int:
    """With so many rules of each condition around 1000, of which the event changes those at 1000."""
    texts = [f"AAPL {condition.phrase} 1000" for condition in Condition]
    terms = [parse_condition(text)._replace(threshold=Counted(1000 + step)) for text in texts for step in range(count)]
    rules = [Rule(number, str(number), *each, revision=1) for number, each in enumerate(terms)]
    book = RuleIndex(rules, revision=1)
    first, second = price_series(["999.5", "1000.5"])
    before, _ = book.evaluate(first, None)
    Counted.comparisons = 0
    _, found = book.evaluate(second, before)
    assert [each.condition for each in found] == [Condition.ABOVE, Condition.CROSSING, Condition.CROSSING_UP]
    return Counted.comparisons


def test_an_event_costs_by_what_it_fires_not_by_how_many_rules_there_are() -> None:
    # Four bisections of thirteen steps each; looking at every rule would take 20,480.
    assert comparisons_of_one_event(4096) < 60
