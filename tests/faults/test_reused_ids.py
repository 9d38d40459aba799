"""Events that say different things under one id each raise their alerts, once."""

from decimal import Decimal

from shared.messaging.messages import price_message
from tests.event_factories import changed, price_series
from tests.faults.assertions import assert_eventually
from tests.faults.ledger import PromiseBroken
from tests.faults.markers import control
from tests.faults.pipeline import RULES, SABOTAGED, Pipeline
from tests.queues import publish

PRICES = ["99", "101", "99", "101"]
THRESHOLD = 100
CROSSINGS = 3


def cross_under_one_id(pipeline: Pipeline, consumer: str) -> None:
    """Publish three crossings of a threshold under one event id, and compare what is printed, stored and published."""
    assert Decimal(THRESHOLD) in RULES.values()
    pipeline.declare("alerts")
    pipeline.add_rules()
    pipeline.listen()
    with pipeline.consuming(consumer) as process:
        publish(pipeline.address, *(price_message(changed(event, id="reused")) for event in price_series(PRICES)))
        assert_eventually(lambda: pipeline.raised() == CROSSINGS, "the alerts", 15)
        pipeline.drain("alerts", process)
    printed = process.output.count(f"crossing {THRESHOLD}")
    published = {alert.id for alert in pipeline.heard()}
    if (printed, len(published)) != (CROSSINGS, CROSSINGS):
        raise PromiseBroken(f"{CROSSINGS} alerts are stored, {printed} are printed, {len(published)} are published")


def test_each_crossing_under_one_event_id_is_printed_stored_and_published(pipeline: Pipeline) -> None:
    cross_under_one_id(pipeline, "alerts")


@control
def test_control(pipeline: Pipeline) -> None:
    cross_under_one_id(pipeline, f"{SABOTAGED}:alerts_named_by_event_id")
