"""kill -9 of the alerts consumer on its way through real prices: the alerts are those of the oracle, each once."""

import random
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from consumers.alerts.store import read_alerts
from consumers.alerts.tables import SCHEMA
from shared.database.engine import open_engine
from shared.database.schema import create_schema
from shared.events import PriceAlert, RulesHeld
from shared.messaging.messages import price_message
from shared.messaging.topology import queue_name
from shared.times import utc_now
from tests.alert_oracle import Expected, Oracle, Price
from tests.faults.assertions import assert_eventually
from tests.faults.ledger import assert_none
from tests.faults.markers import control, fault
from tests.faults.pipeline import LISTENER, SABOTAGED, Pipeline, Restarting, restarting
from tests.oracle_comparison import engine_alerts, engine_event, held_symbols, release_all, store_rules
from tests.queues import dead_letters, publish, taken
from tests.real_price_rules import read_real_prices, rules_on

KILLS = 20
# LONGEST is the longest time in seconds from the start of a consumer, or from its first work, to its end.
LONGEST = 0.5
AT_WORK = 0.8
# The share of the holds at which the consumer is killed.
AT_HOLD = 0.5
# In seconds: a hold is told when all prices before it were evaluated.
TIMEOUT = 120.0


Message = PriceAlert | RulesHeld


class Part(NamedTuple):
    """Prices that are published together, and what comes after them: the end of a hold, or a kill, or both."""

    prices: Sequence[Price]
    holds: bool
    kills: bool


@pytest.fixture
def engine(pipeline: Pipeline) -> Iterator[Engine]:
    engine = open_engine(make_url(pipeline.environment["STOCKWIRE_ALERTS_URL"]))
    create_schema(engine, SCHEMA)
    yield engine
    engine.dispose()


def parts(oracle: Oracle, prices: Sequence[Price], kills: Collection[int], expected: list[Expected]) -> Iterator[Part]:
    """Yield the prices up to each hold, and to each place of a kill. A hold must end before the next part."""
    begin = 0
    for place, price in enumerate(prices):
        expected += oracle.take(price)
        if oracle.held or place in kills:
            yield Part(prices[begin : place + 1], holds=bool(oracle.held), kills=place in kills)
            begin = place + 1
    yield Part(prices[begin:], holds=False, kills=False)


def kill_on_real_prices(
    pipeline: Pipeline, engine: Engine, path: Path, chaos: random.Random, consumer: str = "alerts"
) -> None:
    """Kill the consumer while prices come in, and end each hold when it was told; then compare with the oracle."""
    real = read_real_prices(path)
    oracle = Oracle(rules_on(real.prices))
    store_rules(engine, oracle.rules)
    pipeline.declare("alerts")
    pipeline.listen()
    expected: list[Expected] = []
    holds: set[tuple[str, datetime | None]] = set()
    heard: list[Message] = []
    kills = set(chaos.sample(range(len(real.prices)), KILLS))
    with restarting(pipeline, consumer) as victim:
        for part in parts(oracle, real.prices, kills, expected):
            publish(pipeline.address, *(price_message(engine_event(price)) for price in part.prices))
            # About every second hold is killed too, before it is told, or between its commit and its publication.
            if part.kills or (part.holds and chaos.random() < AT_HOLD):
                kill_at_any_moment(victim, chaos)
            if part.holds:
                await_hold(victim, engine, oracle.held)
                holds |= {(symbol, oracle.feeds[symbol].held_at) for symbol in oracle.held}
                release_all(oracle, engine, real)
            heard += hear(pipeline)
        pipeline.drain("alerts", victim.process, timeout=TIMEOUT)
    heard += hear(pipeline)
    assert_none("prices given up", dead_letters(pipeline.address, queue_name("alerts")))
    check_holds(holds, heard)
    check(expected, list(read_alerts(engine)), [each for each in heard if isinstance(each, PriceAlert)])


def await_hold(victim: Restarting, engine: Engine, held: set[str]) -> None:
    assert_eventually(lambda: held_symbols(engine) == held or not victim.process.running, f"a hold of {held}", TIMEOUT)
    assert victim.process.running, victim.process.output


def kill_at_any_moment(victim: Restarting, chaos: random.Random) -> None:
    if chaos.random() < AT_WORK:
        victim.process.wait_for("consuming")
    time.sleep(chaos.uniform(0, LONGEST))
    victim.kill()


def hear(pipeline: Pipeline) -> list[Message]:
    """Return the alerts and the holds that were published since the last call."""
    types = {each.TYPE: each for each in (PriceAlert, RulesHeld)}
    found = taken(pipeline.address, queue_name(LISTENER), pipeline.waiting(LISTENER))
    return [types[each.properties["type"]].decode(each.body, utc_now()) for each in found]


def check_holds(expected: Collection[tuple[str, datetime | None]], heard: Sequence[Message]) -> None:
    """Check that each hold was published, perhaps again under the same id, and nothing else was held."""
    holds = [each for each in heard if isinstance(each, RulesHeld)]
    assert {(each.symbol, each.as_of) for each in holds} == set(expected)
    assert len({each.id for each in holds}) == len(expected) > 0
    print(f"{len(expected)} holds, {len(holds) - len(expected)} of them published again")


def check(expected: Sequence[Expected], raised: Sequence[PriceAlert], heard: Sequence[PriceAlert]) -> None:
    found = list(engine_alerts(raised))
    print(f"{len(expected)} alerts expected, {len(found)} raised, of which {len(set(found) & set(expected))} are right")
    assert_none("alerts raised twice", [each for each, count in Counter(found).items() if count > 1])
    assert_none("alerts raised for nothing or not at all", set(expected) ^ set(found))
    assert found == list(expected), "alerts in another order"
    # An alert may be published twice under its id, in the order of the table.
    assert_none("alerts never published", {each.id for each in raised} - {each.id for each in heard})
    assert list(dict.fromkeys(each.id for each in heard)) == [each.id for each in raised]
    assert len(expected) > 500
    print(f"{len(expected)} alerts, {len(heard) - len(raised)} of them published again")


@fault
@pytest.mark.parametrize(
    "prices",
    ["real_prices_of_splits", pytest.param("all_real_prices", marks=[pytest.mark.slow, pytest.mark.timeout(3600)])],
)
def test_a_consumer_that_is_killed_20_times_raises_the_alerts_of_the_oracle(
    request: pytest.FixtureRequest, prices: str, pipeline: Pipeline, engine: Engine, chaos: random.Random
) -> None:
    kill_on_real_prices(pipeline, engine, request.getfixturevalue(prices), chaos)


@control
def test_control(pipeline: Pipeline, engine: Engine, real_prices_of_splits: Path, chaos: random.Random) -> None:
    kill_on_real_prices(pipeline, engine, real_prices_of_splits, chaos, f"{SABOTAGED}:alerts_acknowledging_first")
