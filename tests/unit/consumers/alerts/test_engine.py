from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.alerts.conditions.base import Operator
from consumers.alerts.conditions.registry import operators
from consumers.alerts.engine import RuleIndex, make_alert
from consumers.alerts.rules.models import Condition, Rule
from consumers.alerts.rules.parser import parse_condition
from consumers.alerts.watermarks import Watermark
from shared.events import StockData, price_alert_id
from tests.event_factories import AS_OF, NOW, changed, price_series, stock_data


def rule(text: str, number: int = 1, revision: int = 1) -> Rule:
    return Rule(number, f"rule {number}", parse_condition(text), revision)


def fired(rules: Sequence[Rule], events: Sequence[StockData]) -> list[tuple[int, str]]:
    """Return (rule id, event id) for each rule that an event fires; the rules do not change in between."""
    index = RuleIndex(rules, revision=1)
    watermarks: dict[str, Watermark] = {}
    found = []
    for event in events:
        watermarks[event.symbol], rules_fired = index.evaluate(event, watermarks.get(event.symbol))
        found += [(each.id, event.id) for each in rules_fired]
    return found


def test_an_event_that_is_not_newer_changes_and_fires_nothing() -> None:
    index = RuleIndex([rule("AAPL above 200")], revision=1)
    previous, _ = index.evaluate(stock_data(price="199"), None)
    for late in (AS_OF, AS_OF - timedelta(seconds=1)):
        watermark, rules_fired = index.evaluate(stock_data(price="201", as_of=late), previous)
        assert watermark is previous
        assert rules_fired == []


def test_a_state_that_is_true_when_its_rule_is_added_fires_with_the_next_price() -> None:
    first, second, third = price_series(["201", "201", "202"])
    previous, _ = RuleIndex([], revision=1).evaluate(first, None)
    index = RuleIndex([rule("AAPL above 200", revision=2)], revision=2)
    previous, rules_fired = index.evaluate(second, previous)
    assert [each.id for each in rules_fired] == [1]
    assert index.evaluate(third, previous)[1] == []


def test_crossing_counts_from_the_price_before_the_rule_was_added() -> None:
    first, second = price_series(["199", "201"])
    previous, _ = RuleIndex([], revision=1).evaluate(first, None)
    index = RuleIndex([rule("AAPL crossing up 200", revision=2)], revision=2)
    assert len(index.evaluate(second, previous)[1]) == 1


def test_a_rule_on_every_symbol_watches_each_symbol_separately() -> None:
    apple, late_apple = price_series(["201", "202"])
    other, late_other = price_series(["199", "201"], symbol="BRK.B")
    events = [apple, other, late_apple, late_other]
    assert fired([rule("* above 200")], events) == [(1, apple.id), (1, late_other.id)]


def test_rules_fire_in_the_order_in_which_they_were_added() -> None:
    rules = [rule("* above 5", 3), rule("AAPL above 100", 1), rule("AAPL above 10", 2)]
    event = stock_data()
    assert fired(rules, [event]) == [(1, event.id), (2, event.id), (3, event.id)]


def test_an_alert_carries_both_prices_and_a_deterministic_id() -> None:
    event = stock_data(price="201")
    previous = Watermark(AS_OF - timedelta(days=1), Decimal("199.5"), 1)
    alert = make_alert(rule("* crossing up 200", 7), event, previous, NOW)
    assert alert.id == price_alert_id(7, "rule 7", event.id)
    assert alert.fields() == {
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
    assert make_alert(rule("AAPL above 200"), event, None, NOW).previous_price is None


def test_the_id_of_an_alert_depends_on_what_the_event_says_and_not_on_the_events_id() -> None:
    def alert_id(event: StockData) -> str:
        return make_alert(rule("AAPL above 100", 1), event, None, NOW).id

    event = stock_data()
    others = [
        stock_data("MSFT"),
        stock_data(provider="yahoo"),
        stock_data(as_of=AS_OF + timedelta(seconds=1)),
        stock_data(interval="1h"),
    ]
    assert alert_id(changed(event, id="another", price=Decimal(200))) == alert_id(event)
    assert len({alert_id(changed(each, id=event.id)) for each in [event, *others]}) == 5
    assert alert_id(stock_data(interval="60m")) == alert_id(stock_data(interval="1h"))


@dataclass
class NaiveEngine:
    """The definitions of the conditions, checked for every rule on every event."""

    last: dict[str, StockData] = field(default_factory=dict)
    was_true: dict[tuple[int, str], bool] = field(default_factory=dict)

    def fired(self, rules: Sequence[Rule], event: StockData) -> list[int]:
        last = self.last.get(event.symbol)
        if last is not None and event.as_of <= last.as_of:
            return []
        self.last[event.symbol] = event
        matching = [rule for rule in rules if rule.condition.symbol in ("*", event.symbol)]
        return sorted(rule.id for rule in matching if self._fires(rule, event, last))

    def _fires(self, rule: Rule, event: StockData, last: StockData | None) -> bool:
        price, threshold, name = event.price, rule.condition.threshold, rule.condition.operator.name
        if name in ("above", "below"):
            is_true = price > threshold if name == "above" else price < threshold
            was_true = self.was_true.get((rule.id, event.symbol), False)
            self.was_true[rule.id, event.symbol] = is_true
            return is_true and not was_true
        if last is None:
            return False
        up = last.price < threshold <= price
        down = last.price > threshold >= price
        return {"crossing_up": up, "crossing_down": down, "crossing": up or down}[name]


@dataclass(frozen=True)
class Add:
    symbol: str
    operator: Operator
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
ADD = st.builds(Add, st.sampled_from([*SYMBOLS, "*"]), st.sampled_from(list(operators().values())), SMALL)
REMOVE = st.builds(Remove, st.integers(0, 9))
TICK = st.builds(Tick, st.sampled_from(SYMBOLS), SMALL, st.integers(0, 40))


@settings(max_examples=300, deadline=None)
@given(st.lists(ADD, max_size=6), st.lists(st.one_of(TICK, TICK, TICK, ADD, REMOVE), max_size=60))
def test_the_index_fires_the_same_rules_as_a_check_of_every_rule(
    first: list[Add], steps: list[Add | Remove | Tick]
) -> None:
    naive_engine = NaiveEngine()
    rules: list[Rule] = []
    revision = 0
    watermarks: dict[str, Watermark] = {}
    for step in [*first, *steps]:
        if isinstance(step, Tick):
            event = stock_data(step.symbol, str(step.price), AS_OF + timedelta(seconds=step.second))
            previous = watermarks.get(step.symbol)
            watermarks[step.symbol], found = RuleIndex(rules, revision).evaluate(event, previous)
            assert [each.id for each in found] == naive_engine.fired(rules, event)
        elif isinstance(step, Add):
            revision += 1
            condition = Condition(step.symbol, step.operator, Decimal(step.threshold))
            rules.append(Rule(revision, f"rule {revision}", condition, revision))
        elif rules:
            revision += 1
            rules.pop(step.index % len(rules))


class CountingDecimal(Decimal):
    """A price that counts how often it is compared."""

    comparisons = 0

    def __lt__(self, other: object) -> bool:
        CountingDecimal.comparisons += 1
        return super().__lt__(other)  # type: ignore[operator]

    def __gt__(self, other: object) -> bool:
        CountingDecimal.comparisons += 1
        return super().__gt__(other)  # type: ignore[operator]


def count_comparisons(rules_per_condition: int) -> int:
    """Return the comparisons of one event that crosses the lowest threshold of each condition, 1000."""
    conditions = [
        Condition("AAPL", operator, CountingDecimal(1000 + step))
        for operator in operators().values()
        for step in range(rules_per_condition)
    ]
    rules = [Rule(number, str(number), condition, revision=1) for number, condition in enumerate(conditions)]
    index = RuleIndex(rules, revision=1)
    first, second = price_series(["999.5", "1000.5"])
    previous, _ = index.evaluate(first, None)
    CountingDecimal.comparisons = 0
    _, found = index.evaluate(second, previous)
    assert [rule.condition.operator.name for rule in found] == ["above", "crossing", "crossing_up"]
    return CountingDecimal.comparisons


def test_the_cost_of_an_event_depends_on_the_rules_that_fire_not_on_all_rules() -> None:
    # Four bisections of 13 steps each. Checking every rule would take 20,480 comparisons.
    assert count_comparisons(4096) < 60
