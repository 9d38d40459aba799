"""A private node keeps its queues when its folder is moved, whatever the names of the folders are."""

from pathlib import Path

import pytest

from infra.up.install import find_server
from infra.up.rabbitmq import private_broker
from tests.event_factories import message, stock_data
from tests.queues import declare, publish, taken


@pytest.mark.skipif(find_server() is None, reason="RabbitMQ is not installed")
def test_the_messages_of_a_node_move_with_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "it's 100% für" / "rabbitmq"
    event = stock_data()
    with private_broker(folder) as node:
        queue = declare(node.address)
        publish(node.address, message(event))
    moved = folder.parent.rename(tmp_path / '日本 "$x"') / "rabbitmq"
    with private_broker(moved) as node:
        [delivery] = taken(node.address, queue, 1)
        assert delivery.body == message(event).body
