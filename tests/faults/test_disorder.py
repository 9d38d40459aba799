"""Events arrive three times, out of order, or with a `time` far ahead: history ends as if all were right and sorted."""

import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from shared.events import StockData
from shared.messaging.messages import price_message
from tests.event_factories import changed
from tests.faults.ledger import Alerted, Ledger, assert_none, read_alerts
from tests.faults.load import prices
from tests.faults.markers import control, fault
from tests.faults.pipeline import RULES, SABOTAGED, Pipeline
from tests.queues import publish

TIMES = 3
# One event in ten was observed again later, at another price.
CORRECTED = 10
# Most events are late by at most DELAY events, one in MISLAID by any number.
DELAY = 40
MISLAID = 20


def disordered(events: Sequence[StockData], chaos: random.Random) -> list[StockData]:
    """Return each event three times, and some with a correction, which may come before the event."""
    arrivals = []
    for place, event in enumerate(events):
        versions = [event] * TIMES
        if place % CORRECTED == 0:
            later = event.observed_at + timedelta(seconds=1)
            versions += [changed(event, price=event.price + 1, observed_at=later)] * TIMES
        for each in versions:
            longest = len(events) if chaos.randrange(MISLAID) == 0 else DELAY
            arrivals.append((place + chaos.uniform(0, longest), each))
    return [event for _, event in sorted(arrivals, key=lambda arrival: arrival[0])]


def latest_observations(arrivals: Iterable[StockData]) -> Mapping[str, StockData]:
    """Return the events that history must hold: the last observation of each key."""
    found: dict[str, StockData] = {}
    for event in sorted(arrivals, key=lambda each: each.observed_at):
        found[event.id] = event
    return found


def alerts_in_order(arrivals: Iterable[StockData], thresholds: Mapping[str, Decimal]) -> set[Alerted]:
    """Return the alerts of `* crossing <threshold>`, for events that are newer than all events before."""
    found = set()
    newest: dict[str, tuple[datetime, Decimal]] = {}
    for event in arrivals:
        as_of, before = newest.get(event.symbol, (None, None))
        if as_of is not None and event.as_of <= as_of:
            continue
        for rule, threshold in thresholds.items():
            if before is not None and (before < threshold <= event.price or before > threshold >= event.price):
                found.add(Alerted(rule, event.id))
        newest[event.symbol] = (event.as_of, event.price)
    return found


def arrive_in_disorder(
    pipeline: Pipeline, count: int, chaos: random.Random, history: str = "history", alerts: str = "alerts"
) -> None:
    pipeline.declare("history", "alerts")
    pipeline.add_rules()
    arrivals = disordered(list(prices(count)), chaos)
    with pipeline.consuming(history) as storing, pipeline.consuming(alerts) as alerting:
        publish(pipeline.address, *map(price_message, arrivals))
        pipeline.drain("history", storing)
        pipeline.drain("alerts", alerting)
    expected = latest_observations(arrivals)
    absorbed = pipeline.check_history(Ledger(dict(expected), set(expected)))
    print(f"{absorbed} of {len(arrivals)} deliveries absorbed")
    check_alerts(pipeline, alerts_in_order(arrivals, RULES))


def check_alerts(pipeline: Pipeline, expected: set[Alerted]) -> None:
    raised = read_alerts(pipeline.alerts)
    assert_none("alerts raised twice", [each for each in set(raised) if raised.count(each) > 1])
    assert_none("alerts not raised", expected - set(raised))
    assert_none("alerts raised for nothing", set(raised) - expected)
    assert expected
    print(f"{len(expected)} alerts")


def correct_after_a_far_time(pipeline: Pipeline, history: str = "history") -> None:
    """Publish an event with a `time` in the year 9999, and then a correction of its price."""
    pipeline.declare("history")
    [event] = prices(1)
    far = changed(event, time="9999-12-31T00:00:00Z")
    correction = changed(event, price=event.price + 1, observed_at=event.observed_at + timedelta(seconds=1))
    with pipeline.consuming(history) as storing:
        publish(pipeline.address, *map(price_message, (far, event, correction)))
        pipeline.drain("history", storing)
    pipeline.check_history(Ledger({event.id: correction}, {event.id}))


def test_an_event_with_a_time_far_ahead_does_not_beat_later_corrections(pipeline: Pipeline) -> None:
    correct_after_a_far_time(pipeline)


@control
def test_control_of_a_time_far_ahead(pipeline: Pipeline) -> None:
    correct_after_a_far_time(pipeline, f"{SABOTAGED}:history_without_clock")


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=fault)])
def test_disorder_and_duplicates_change_nothing(pipeline: Pipeline, chaos: random.Random, count: int) -> None:
    arrive_in_disorder(pipeline, count, chaos)


@control
@pytest.mark.parametrize("sabotage", ["history_without_dedupe", "alerts_without_watermarks"])
def test_control(pipeline: Pipeline, chaos: random.Random, sabotage: str) -> None:
    name = sabotage.partition("_")[0]
    arrive_in_disorder(pipeline, 300, chaos, **{name: f"{SABOTAGED}:{sabotage}"})
