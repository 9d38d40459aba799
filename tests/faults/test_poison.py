"""Poison messages are dead-lettered once, with a reason, after at most a few tries; the others are stored."""

import time
from collections.abc import Mapping, Sequence

import pytest

from shared.messaging.dead_letters import describe_death
from shared.messaging.delivery import MAX_ATTEMPTS
from shared.messaging.messages import Message, price_message
from shared.messaging.topology import DELIVERY_LIMIT, EXCHANGE, dead_queue_name, queue_name
from tests.event_factories import AS_OF, MISSING, stock_body, stock_data
from tests.faults.assertions import assert_eventually, assert_stops
from tests.faults.ledger import Ledger, PromiseBroken
from tests.faults.load import prices
from tests.faults.markers import control, fault
from tests.faults.pipeline import Pipeline
from tests.faults.poison_consumers import POISON, TAKEN
from tests.processes import DEADLINE, Process
from tests.queues import dead_letters, publish, publish_large, waiting

POISON_CONSUMERS = "tests.faults.poison_consumers"
# In seconds: a control waits this long for something that never happens.
SOON = 15
NEIGHBOURS = 300
EMPTY = 10_000
# In seconds. It takes less than one on an idle machine, and 15 if each dead letter waits for its own confirm.
MAX_DELAY = 6

BAD_BODIES = {
    "empty": (b"", "empty body"),
    "no JSON": (b"{", "not JSON"),
    "no UTF-8": (b"\xff\xfe{}", "not UTF-8"),
    "too deep": (b"[" * 60_000, "not JSON"),
    "a list": (b"[1, 2]", "not a JSON object"),
    "another shape": (b'{"price": "1.5"}', "specversion"),
    "another type": (stock_body({"type": "PRICE_ALERT"}), "is not STOCK_DATA"),
    "data that is a list": (stock_body({"data": []}), "data is not an object"),
    "no id": (stock_body({"id": MISSING}), "id"),
    "no price": (stock_body(price=None), "price is missing"),
    "a negative price": (stock_body(price="-3.5"), "negative"),
    "a price of zero": (stock_body(price="0"), "more than zero"),
    "a price of NaN": (stock_body(price="NaN"), "not a decimal number"),
    "a price of NaN without quotes": (stock_body(price=float("nan")), "not a JSON number"),
    "an infinite price": (stock_body(price="Infinity"), "not a decimal number"),
    "too many digits": (stock_body(price="1.234567890123456"), "15 significant digits"),
    "a float": (stock_body(price=412.35), "decimal string"),
    "a price of true": (stock_body(price=True), "price"),
    "a volume in words": (stock_body(volume="many"), "volume"),
    "as_of without offset": (stock_body(as_of="2026-01-01T00:00:00"), "as_of"),
    "as_of as a number": (stock_body(as_of=1732096798), "as_of"),
    "as_of in the future": (stock_body(as_of="2126-01-01T00:00:00Z"), "in the future"),
    "a time in the future": (stock_body({"time": "9999-12-31T00:00:00Z"}), "time 9999-12-31T00:00:00Z is in"),
    "a symbol in lower case": (stock_body(symbol="aapl"), "symbol"),
    "over 64 KiB": (stock_body(note="x" * 70_000), "over 64 KiB"),
    "4 MiB": (b"x" * (4 << 20), "over 64 KiB"),
}

# Properties that a foreign publisher may send; each bad body has one of them.
STRANGE_PROPERTIES = (
    {},
    {"type": "?", "content_type": "text/plain", "correlation_id": "c", "priority": 9, "delivery_mode": 1},
    {"headers": {"x": None, "list": [1, "a", {"b": 2.5}], "when": AS_OF, "big": 2**60, "bytes": bytearray(b"\xff")}},
    {"headers": {"x-stockwire-reason": 5, "x-death": "none", "x-delivery-count": "many"}, "reply_to": "somebody"},
    {"content_encoding": "gzip", "timestamp": AS_OF.replace(year=1970, hour=0), "expiration": "600000"},
)


def bad_message(number: int, body: bytes) -> Message:
    properties = {**STRANGE_PROPERTIES[number % len(STRANGE_PROPERTIES)], "message_id": f"bad-{number}"}
    return Message(EXCHANGE, "stock.BAD.price", body, properties)


def publish_with_neighbours(pipeline: Pipeline, bad: Sequence[Message], count: int = NEIGHBOURS) -> Ledger:
    """Publish the bad messages among good ones, and return the ledger of the good ones."""
    good = list(prices(count))
    messages = [price_message(event) for event in good]
    for number, message in enumerate(bad):
        messages.insert((number + 1) * len(messages) // (len(bad) + 1), message)
    publish_large(pipeline.address, *messages)
    return Ledger({event.id: event for event in good}, {event.id for event in good})


def check_dead_lettered(pipeline: Pipeline, name: str, reasons: Mapping[str, str], deadline: float) -> None:
    """Check that exactly these ids are dead letters, once each, with a reason that has these words."""
    dead = dead_queue_name(queue_name(name))
    assert_eventually(
        lambda: (waiting(pipeline.address, dead) or 0) >= len(reasons), f"{len(reasons)} dead letters", deadline
    )
    found = dead_letters(pipeline.address, queue_name(name))
    if sorted(each.id for each in found) != sorted(reasons):
        raise PromiseBroken(f"{len(found)} messages are dead letters instead of {len(reasons)}")
    for each in found:
        if reasons[each.id] not in describe_death(each).reason:
            raise PromiseBroken(
                f"{each.id} is a dead letter for {describe_death(each).reason!r}, not for {reasons[each.id]!r}"
            )


def feed_bad_bodies(pipeline: Pipeline, name: str, consumer: str, deadline: float = DEADLINE) -> None:
    pipeline.declare(name)
    pipeline.add_rules()
    bad = {f"bad-{number}": reason for number, (_, reason) in enumerate(BAD_BODIES.values())}
    with pipeline.consuming(consumer) as process:
        ledger = publish_with_neighbours(
            pipeline, [bad_message(number, body) for number, (body, _) in enumerate(BAD_BODIES.values())]
        )
        check_dead_lettered(pipeline, name, bad, deadline)
        finish(pipeline, name, process)
    if name == "history":
        pipeline.check_history(ledger, dead=list(bad))
    else:
        pipeline.check_alerts(ledger)


def finish(pipeline: Pipeline, name: str, process: Process) -> None:
    assert_eventually(lambda: pipeline.waiting(name) == 0, "the neighbours", SOON)
    assert_stops(process)
    assert_eventually(lambda: pipeline.waiting(name) == 0, "the neighbours", SOON)


@pytest.mark.parametrize("name", ["history", pytest.param("alerts", marks=fault)])
def test_every_kind_of_bad_message_is_dead_lettered_with_its_reason_and_its_neighbours_are_stored(
    pipeline: Pipeline, name: str
) -> None:
    feed_bad_bodies(pipeline, name, name)


@control
@pytest.mark.parametrize("sabotage", ["dropping", "trying_for_ever"])
def test_control_of_bad_messages(pipeline: Pipeline, sabotage: str) -> None:
    feed_bad_bodies(pipeline, "history", f"{POISON_CONSUMERS}:{sabotage}", SOON)


def delay_a_good_price(pipeline: Pipeline, consumer: str) -> None:
    """Publish a good price behind thousands of empty bodies, and measure the time until the price is stored."""
    pipeline.declare("history")
    [event] = prices(1)
    empty = (Message(EXCHANGE, "stock.BAD.price", b"", {"message_id": f"empty-{number}"}) for number in range(EMPTY))
    publish(pipeline.address, *empty, price_message(event))
    with pipeline.consuming(consumer) as process:
        started = time.monotonic()
        assert_eventually(lambda: pipeline.stored() == 1, "the price", MAX_DELAY)
        print(f"stored after {time.monotonic() - started:.1f} s")
        assert_eventually(
            lambda: waiting(pipeline.address, dead_queue_name(queue_name("history"))) == EMPTY, "the rest"
        )
        assert_stops(process)
    pipeline.check_history(Ledger({event.id: event}, {event.id}), dead=[f"empty-{number}" for number in range(EMPTY)])


@fault
def test_thousands_of_empty_bodies_do_not_delay_a_good_price(pipeline: Pipeline) -> None:
    delay_a_good_price(pipeline, "history")


@control
def test_control_of_a_delayed_price(pipeline: Pipeline) -> None:
    delay_a_good_price(pipeline, f"{POISON_CONSUMERS}:rejecting_one_by_one")


def upset_handler(pipeline: Pipeline, consumer: str, deadline: float = DEADLINE) -> None:
    """Publish an event that makes the handler raise each time."""
    pipeline.declare("history")
    poison = price_message(stock_data(POISON))
    with pipeline.consuming(consumer) as process:
        ledger = publish_with_neighbours(pipeline, [poison])
        check_dead_lettered(pipeline, "history", {poison.id: "LookupError: cannot digest it"}, deadline)
        finish(pipeline, "history", process)
    pipeline.check_history(ledger, dead=[poison.id])
    # The first try is together with other events.
    tries = process.output.count(TAKEN)
    if tries > MAX_ATTEMPTS + 1:
        raise PromiseBroken(f"it was tried {tries} times")


@fault
def test_an_event_that_makes_the_handler_raise_is_tried_five_times_and_dead_lettered(pipeline: Pipeline) -> None:
    upset_handler(pipeline, f"{POISON_CONSUMERS}:failing")


@control
def test_control_of_a_handler_that_raises(pipeline: Pipeline) -> None:
    upset_handler(pipeline, f"{POISON_CONSUMERS}:failing_for_ever", SOON)


def kill_each_time(pipeline: Pipeline, consumer: str) -> None:
    """Publish an event that kills its consumer each time; restart it until every event is stored or dead."""
    pipeline.declare("history")
    poison = price_message(stock_data(POISON))
    ledger = publish_with_neighbours(pipeline, [poison])
    for _ in range(DELIVERY_LIMIT + 3):
        with pipeline.consuming(consumer, ready=False) as process:
            assert_eventually(lambda: not process.running or is_over(pipeline), "an end of it")
            if process.running:
                process.wait_for("consuming")
                finish(pipeline, "history", process)
                break
    else:
        raise PromiseBroken("it keeps killing its consumer")
    check_dead_lettered(pipeline, "history", {poison.id: "the consumer crashed on this message too often"}, DEADLINE)
    pipeline.check_history(ledger, dead=[poison.id])


def is_over(pipeline: Pipeline) -> bool:
    """Return True if every event is stored or dead-lettered."""
    dead = waiting(pipeline.address, dead_queue_name(queue_name("history"))) or 0
    return dead > 0 and pipeline.stored() + dead > NEIGHBOURS


@fault
def test_an_event_that_kills_its_consumer_is_dead_lettered_alone(pipeline: Pipeline) -> None:
    kill_each_time(pipeline, f"{POISON_CONSUMERS}:dying")


@control
def test_control_of_an_event_that_kills_its_consumer(pipeline: Pipeline) -> None:
    kill_each_time(pipeline, f"{POISON_CONSUMERS}:dying_unsuspecting")
