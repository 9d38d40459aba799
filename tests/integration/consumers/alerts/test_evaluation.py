"""The index in the database fires the same rules as a check of every rule on every event."""

import random
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, delete, select

from consumers.alerts.handler import AlertHandler
from consumers.alerts.rule_run import Firing, RuleRun
from consumers.alerts.rules.models import Rule
from consumers.alerts.rules.options import Frequency, OnArm, Options
from consumers.alerts.rules.parser import parse_terms
from consumers.alerts.rules.store import add_rule, remove_rule
from consumers.alerts.store import read_alerts
from consumers.alerts.tables import metric_usage, rule_levels, window_prices
from shared.database.engine import reading, writing
from shared.events import StockData
from tests.event_factories import AS_OF, NOW, changed, price_series, stock_data

SYMBOLS = ("AAPL", "BRK.B", "MSFT")
SECOND = timedelta(seconds=1)


def handler(engine: Engine) -> AlertHandler:
    return AlertHandler(engine, lambda messages: len(list(messages)), clock=lambda: NOW)


def alerts(engine: Engine) -> list[tuple[str, str, str | None, Decimal | None]]:
    return [(each.rule_name, each.state, each.event_id, each.previous_price) for each in read_alerts(engine)]


def random_terms(chance: random.Random) -> tuple[str, Options]:
    symbol = chance.choice([*SYMBOLS, "*"])
    low = chance.randint(95, 104)
    price, span = f"{low}.{chance.choice('05')}", f"{chance.choice([2, 5, 30])}s"
    condition = chance.choice(
        [
            f"above {price}",
            f"below {price}",
            f"crossing {price}",
            f"crossing up {price}",
            f"crossing down {price}",
            f"inside channel {low} {low + 2}",
            f"outside channel {low} {low + 2}",
            f"entering channel {low} {low + 2}",
            f"exiting channel {low} {low + 2}",
            f"moving up {chance.choice([0.5, 1, 3])}% in {span}",
            f"moving down {chance.choice([0.5, 1, 3])} in {span}",
            f"moving up {chance.choice([1, 3])}% since close",
            f"moving down {chance.choice([1, 3])} since close",
            f"new high in {span}",
            f"new low in {span}",
            f"volume above {chance.choice([100, 200])}",
        ]
    )
    return f"{symbol} {condition}", random_options(chance, f"{symbol} {condition}", low)


def random_options(chance: random.Random, text: str, low: int) -> Options:
    condition = parse_terms(text).condition
    candidates: list[dict[str, Any]] = [
        {"frequency": Frequency(once=True)},
        {"frequency": Frequency(per=7 * SECOND)},
        {"hold": 2 * SECOND},
        {"rearm": Decimal(low - 2)},
        {"rearm": Decimal(low + 2)},
        {"on_arm": OnArm.WAIT},
        {"resolved": True},
        {"expires": AS_OF + 40 * SECOND},
    ]
    chosen: dict[str, Any] = {}
    for extra in chance.sample(candidates, chance.choice([0, 0, 1, 2, 3])):
        try:
            Options(**(chosen | extra)).check(condition)
        except ValueError:
            continue
        chosen |= extra
    return Options(**chosen)


def random_events(chance: random.Random, count: int) -> list[StockData]:
    """Return prices that wander between two levels, some of them late or repeated, or of another world."""
    events: list[StockData] = []
    prices = dict.fromkeys(SYMBOLS, 100.0)
    for second in range(count):
        symbol = chance.choice(SYMBOLS)
        prices[symbol] = min(106.0, max(94.0, prices[symbol] + chance.choice([-2, -1, -0.5, 0, 0.5, 1, 2])))
        event = stock_data(
            symbol,
            format(Decimal(str(prices[symbol])).normalize(), "f"),
            AS_OF + second * SECOND - (chance.choice([0, 0, 0, 9]) * SECOND),
            provider=chance.choices(["simulated", "yahoo"], [40, 1])[0],
        )
        fields: dict[str, Any] = {}
        if chance.random() < 0.7:
            fields["volume"] = chance.choice([50, 100, 150, 250])
        if chance.random() < 0.7:
            fields["previous_close"] = Decimal(chance.choice([99, 100, 101]))
        events += [changed(event, **fields)] * chance.choice([1, 1, 1, 2])
    return events


@pytest.mark.parametrize("seed", range(4))
def test_the_index_fires_the_same_rules_as_a_check_of_every_rule(engine: Engine, seed: int) -> None:
    """Rules come at any time, batches have any size, and the consumer starts again and repeats batches now and then."""
    chance = random.Random(seed)
    events = random_events(chance, 90)
    expected: list[tuple[str, str, str | None, Decimal | None]] = []
    # With this rule all prices of the windows are kept from the beginning.
    add_rule(engine, "longest", parse_terms("* moving up 99% in 60s"), NOW)
    runs: list[RuleRun] = []
    taken: list[StockData] = []
    handle = handler(engine)
    position = 0
    while position < len(events):
        for _ in range(chance.choice([0, 3, 8])):
            text, options = random_terms(chance)
            rule = add_rule(engine, f"{len(runs)}: {text} {options}", parse_terms(text), NOW, options)
            runs.append(started_run(rule, taken))
        batch = events[position : position + chance.choice([1, 5, 30])]
        position += len(batch)
        if chance.random() < 0.3:
            handle = handler(engine)
        for repeated in [batch] * chance.choice([1, 1, 1, 2]):
            handle(repeated)
            taken += repeated
            for event in repeated:
                found = [(run, run.take(event)) for run in runs]
                expected += [told(run.rule, each) for run, each in found if isinstance(each, Firing)]
    # An alert is stored once, even if it is raised again after a repeated change of world.
    first = {each[:3]: each for each in reversed(expected)}
    raised = alerts(engine)
    assert sorted(map(str, raised)) == sorted(map(str, first.values()))
    assert len(raised) > 5


def started_run(rule: Rule, before: Sequence[StockData]) -> RuleRun:
    """Return a run of a rule that knows the prices from before it was added, but was not evaluated on them."""
    run = RuleRun(rule, guarded=False)
    for event in before:
        run.take(event)
    run.states.clear()
    return run


def told(rule: Rule, firing: Firing) -> tuple[str, str, str | None, Decimal | None]:
    previous = None if firing.previous is None else firing.previous.price
    return rule.name, firing.outcome.value, firing.event.id, previous


def test_prices_of_windows_are_kept_only_while_a_rule_needs_them(engine: Engine) -> None:
    def kept() -> list[str]:
        with reading(engine) as connection:
            return [*connection.scalars(select(window_prices.c.symbol).order_by(window_prices.c.symbol))]

    handle = handler(engine)
    handle([*price_series(["1"]), *price_series(["2"], symbol="MSFT")])
    assert kept() == []
    add_rule(engine, "up", parse_terms("AAPL moving up 5% in 1h"), NOW)
    assert kept() == ["AAPL"]
    handle([*price_series(["2"], start=AS_OF + SECOND), *price_series(["3"], "MSFT", AS_OF + SECOND)])
    assert kept() == ["AAPL"] * 2
    add_rule(engine, "all", parse_terms("* new high in 1h"), NOW)
    assert kept() == ["AAPL"] * 2 + ["MSFT"]
    remove_rule(engine, "up")
    assert kept() == ["AAPL"] * 2 + ["MSFT"]
    remove_rule(engine, "all")
    assert kept() == []
    with reading(engine) as connection:
        assert connection.execute(select(metric_usage)).all() == []
        assert connection.execute(select(rule_levels)).all() == []


def test_prices_that_no_window_needs_any_more_are_deleted(engine: Engine) -> None:
    add_rule(engine, "up", parse_terms("AAPL moving up 5% in 1m"), NOW)
    events = price_series([str(100 + number % 3) for number in range(1000)])
    handle = handler(engine)
    for start in range(0, 1000, 100):
        handle(events[start : start + 100])
    with reading(engine) as connection:
        assert 60 <= len(connection.execute(select(window_prices)).all()) <= 400


def test_an_index_without_its_levels_fires_nothing(engine: Engine) -> None:
    """Show that the comparison above would notice an index that loses rules."""
    add_rule(engine, "up", parse_terms("AAPL above 200"), NOW)
    with writing(engine) as connection:
        connection.execute(delete(rule_levels))
    handler(engine)(price_series(["201"]))
    assert alerts(engine) == []
