"""Queues, bindings, exchanges and connections are deleted under load: a consumer recovers, or stops and says why."""

import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass

import pytest
from amqpstorm.exception import AMQPChannelError

from infra.up.rabbitmq import PrivateBroker
from shared.messaging.runner import REDECLARE_INTERVAL
from shared.messaging.topology import DEAD_EXCHANGE, EXCHANGE, LIVE_PRICES, dead_queue_name, queue_name
from tests.event_factories import raw_message
from tests.faults import naive_clients
from tests.faults.assertions import assert_eventually
from tests.faults.ledger import Ledger, PromiseBroken, assert_none, read_history
from tests.faults.load import Load, prices
from tests.faults.markers import control, fault
from tests.faults.pipeline import Pipeline
from tests.processes import Process, until
from tests.queues import channel_to, dead_letters, declare, declare_raw, publish, waiting

OpenConsumer = Callable[[Pipeline], AbstractContextManager[Process]]

RATE = 1000
HISTORY = queue_name("history")
DEAD = dead_queue_name(HISTORY)
POISON = "poison"
# In seconds: until everything is declared again and prices arrive, with room for a busy machine.
GOES_ON = REDECLARE_INTERVAL + 10


@pytest.fixture
def owner(rabbitmq: PrivateBroker, pipeline: Pipeline) -> "Owner":
    return Owner(pipeline, rabbitmq)


@dataclass(frozen=True)
class Owner:
    """An administrator of the virtual host, who deletes what a consumer needs."""

    pipeline: Pipeline
    node: PrivateBroker

    def delete_queue(self) -> None:
        with channel_to(self.pipeline.address) as channel:
            channel.queue.delete(HISTORY)

    def delete_binding(self) -> None:
        with channel_to(self.pipeline.address) as channel:
            channel.queue.unbind(HISTORY, EXCHANGE, LIVE_PRICES)

    def delete_exchange(self) -> None:
        with channel_to(self.pipeline.address) as channel:
            channel.exchange.delete(EXCHANGE)

    def delete_dead_letters(self) -> None:
        with channel_to(self.pipeline.address) as channel:
            channel.queue.delete(DEAD)
            channel.exchange.delete(DEAD_EXCHANGE)

    def close_connections(self) -> None:
        self.node.rabbitmqctl("close_all_connections", "--vhost", self.pipeline.address.virtual_host, "maintenance")

    def cancel_consumer(self) -> None:
        host = self.pipeline.address.virtual_host
        self.node.rabbitmqctl(
            "eval",
            "[rabbit_channel:send_command(proplists:get_value(channel_pid, Each),"
            " {'basic.cancel', proplists:get_value(consumer_tag, Each), true})"
            f' || Each <- rabbit_amqqueue:consumers_all(<<"{host}">>)].',
        )

    def take_queue_over(self) -> None:
        """Replace the queue by a classic queue of the same name."""
        for _ in range(20):
            self.delete_queue()
            with suppress(AMQPChannelError):
                # It fails if history has declared its queue first.
                declare_raw(self.pipeline.address, HISTORY, {}, bound=False)
                return
        raise AssertionError("the queue could not be taken over")


Deed = Callable[[Owner], None]


def our_history(pipeline: Pipeline) -> AbstractContextManager[Process]:
    return pipeline.consuming("history")


@dataclass(frozen=True)
class Aftermath:
    """The ids published before the deletion, and the ids published before prices arrived again."""

    ledger: Ledger
    before: set[str]
    until_heard: set[str]


def meddle(owner: Owner, chaos: random.Random, deed: Deed, history: OpenConsumer = our_history) -> Aftermath:
    """Run the deletion under load; history has to go on."""
    pipeline = owner.pipeline
    pipeline.declare("history")
    with history(pipeline) as stores, Load(pipeline.address, prices(1_000_000), rate=RATE) as load:
        until(lambda: pipeline.stored() > RATE, "prices to be stored")
        time.sleep(chaos.uniform(0, 1))
        deed(owner)
        begun, before = time.monotonic(), set(load.ledger.attempted)
        try:
            assert_eventually(lambda: stored_ids(pipeline) - before, "history to go on", GOES_ON)
        except PromiseBroken:
            print(f"{len(load.ledger.confirmed)} confirmed, {load.retried} published again")
            print(stores.output)
            raise
        until_heard = set(load.ledger.attempted)
        print(f"stores again after {time.monotonic() - begun:.1f} s, {load.retried} published again")
        ledger = load.stop()
        pipeline.drain("history", stores)
    return Aftermath(ledger, before, until_heard)


def stored_ids(pipeline: Pipeline) -> set[str]:
    return {row.id for row in read_history(pipeline.history)}


def check(pipeline: Pipeline, ledger: Ledger, lost_for_good: set[str]) -> None:
    """Check history, apart from the events that may be lost."""
    lost = ledger.confirmed - stored_ids(pipeline)
    assert_none("events lost that must not be", lost - lost_for_good)
    print(
        f"{len(lost)} lost of {len(lost_for_good)} that may be, {pipeline.check_history(ledger, list(lost))} absorbed"
    )


def poison(owner: Owner, chaos: random.Random, history: OpenConsumer = our_history) -> Ledger:
    """Delete the dead letter queue, then publish a poison message."""

    def delete_and_publish(owner: Owner) -> None:
        owner.delete_dead_letters()
        publish(owner.pipeline.address, raw_message(b"?", message_id=POISON))

    aftermath = meddle(owner, chaos, delete_and_publish, history)
    assert_eventually(lambda: waiting(owner.pipeline.address, DEAD), "the dead letter")
    assert [each.id for each in dead_letters(owner.pipeline.address, HISTORY)] == [POISON]
    return aftermath.ledger


def take_over(owner: Owner, history: OpenConsumer = our_history) -> None:
    """Replace the queue by one with other arguments: history stops and names the queue."""
    pipeline = owner.pipeline
    pipeline.declare("history")
    with history(pipeline) as stores:
        owner.take_queue_over()
        assert_eventually(lambda: not stores.running, "history to stop", GOES_ON)
        said = stores.output.splitlines()[-1]
        if stores.wait() != 1 or not said.startswith(f"stockwire: queue {HISTORY} exists with other arguments"):
            raise PromiseBroken(f"it ended with {stores.wait()}:\n{stores.output}")


@fault
@pytest.mark.parametrize(
    "deed", [Owner.delete_binding, Owner.delete_exchange, Owner.close_connections, Owner.cancel_consumer]
)
def test_history_goes_on_without_a_loss(owner: Owner, chaos: random.Random, deed: Deed) -> None:
    """A message that no queue takes is returned to the publisher, who publishes it again."""
    aftermath = meddle(owner, chaos, deed)
    check(owner.pipeline, aftermath.ledger, set())


@fault
def test_an_event_published_after_its_queue_was_deleted_is_not_lost(owner: Owner, chaos: random.Random) -> None:
    aftermath = meddle(owner, chaos, Owner.delete_queue)
    check(owner.pipeline, aftermath.ledger, aftermath.before)


@fault
def test_beside_another_queue_it_misses_only_the_events_before_it_is_bound_again(
    owner: Owner, chaos: random.Random
) -> None:
    """RabbitMQ confirms a message if any queue takes it."""
    declare(owner.pipeline.address, name="other")
    aftermath = meddle(owner, chaos, Owner.delete_binding)
    check(owner.pipeline, aftermath.ledger, aftermath.until_heard)


@fault
def test_the_deleted_queue_of_dead_letters_is_declared_again(owner: Owner, chaos: random.Random) -> None:
    ledger = poison(owner, chaos)
    owner.pipeline.check_history(ledger, [POISON])


@fault
def test_a_queue_that_is_taken_over_by_somebody_else_stops_history_with_its_name(owner: Owner) -> None:
    take_over(owner)


@control
@pytest.mark.parametrize("deed", [Owner.delete_queue, Owner.delete_binding, Owner.close_connections])
def test_control(owner: Owner, chaos: random.Random, deed: Deed) -> None:
    meddle(owner, chaos, deed, naive_clients.consuming)


@control
def test_control_of_dead_letters(owner: Owner, chaos: random.Random) -> None:
    poison(owner, chaos, naive_clients.consuming)


@control
def test_control_of_taking_over(owner: Owner) -> None:
    take_over(owner, naive_clients.consuming)
