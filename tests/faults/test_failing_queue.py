"""A quorum queue answers INTERNAL_ERROR, as after `kill -9` of RabbitMQ 3.10: a restart of RabbitMQ mends it.

The test stops the queue's Raft server inside RabbitMQ, which has the same effect.
"""

import os
import re
import signal
from pathlib import Path

from infra.up.install import find_server
from infra.up.rabbitmq import PrivateBroker
from tests.celery_worker import results
from tests.faults.assertions import assert_eventually, assert_prints
from tests.faults.load import Load, prices
from tests.faults.markers import control, fault
from tests.faults.pipeline import Pipeline
from tests.processes import copy_checkout, processes_in, running, stockwire, until
from tests.shared_rabbitmq import evaluate

QUEUE = "stockwire.history"
COMMANDS = re.compile(r"restart it: rabbitmqctl (\w+), then rabbitmqctl (\w+)")


def break_queue(node: PrivateBroker) -> None:
    evaluate(node, f"ra:stop_server(quorum_queues, {{'%2F_{QUEUE}', node()}}), ok.")


def recover(pipeline: Pipeline, node: PrivateBroker, *, obey: bool) -> None:
    """Break the queue of a consumer, do what the consumer says if `obey`, and expect that everything is stored."""
    pipeline.declare("history")
    with Load(pipeline.address, prices(100)) as load:
        ledger = load.finish()
    break_queue(node)
    with pipeline.consuming("history", ready=False) as history:
        assert_prints(history, f"failed at queue {QUEUE} (INTERNAL_ERROR)", 3)
        commands = COMMANDS.search(history.output)
        assert commands
        for command in commands.groups() if obey else ():
            node.rabbitmqctl(command)
        assert_prints(history, "consuming")
        pipeline.drain("history", history)
    pipeline.check_history(ledger)


@fault
def test_a_consumer_says_which_command_mends_its_queue(own_pipeline: Pipeline, node: PrivateBroker) -> None:
    recover(own_pipeline, node, obey=True)


@control
def test_control_without_a_restart(own_pipeline: Pipeline, node: PrivateBroker) -> None:
    recover(own_pipeline, node, obey=False)


def node_of_up(checkout: Path) -> PrivateBroker:
    """Return the private node of the `up` that runs in the checkout."""
    [port] = [match[1] for _, command in processes_in(checkout) if (match := re.search(r"epmd -port (\d+)", command))]
    server = find_server()
    assert server
    return PrivateBroker(checkout / "var" / "rabbitmq", server, epmd_port=int(port))


@fault
def test_up_restarts_its_private_rabbitmq(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path)
    words = (str(checkout / "stockwire"), "up", "--every", "1s", "--symbols", "AAPL")
    environment = {"STOCKWIRE_AMQP_URL": "amqp://127.0.0.1:1/"}
    with running(*words, environment=environment, folder=checkout) as up:
        up.wait_for("AAPL", 90)
        break_queue(node_of_up(checkout))
        for pid, command in processes_in(checkout):
            if "consumers history" in command:
                # The next one meets the error.
                os.kill(pid, signal.SIGKILL)
        assert_prints(up, f"RabbitMQ failed at queue {QUEUE} (INTERNAL_ERROR); restarted it", timeout=60)
        synced = len(results(checkout))
        until(lambda: len(results(checkout)) >= synced + 3, "three more syncs", 60)
        published = sum(result.get("published", 0) for result in results(checkout))

        def stored() -> int:
            return stockwire("history", "AAPL", "--format", "csv", folder=checkout).stdout.count("AAPL")

        assert_eventually(lambda: stored() >= published, "everything published to be stored", 60)
        assert up.stop() == 0
    assert "Traceback" not in up.output
