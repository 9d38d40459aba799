"""The paths that a queue records, after the folder of the node was moved."""

from pathlib import Path

import pytest

from infra.up.node_data import adopt, relocated

# As RabbitMQ 3.10 writes it, without most of its terms.
CONFIG = b"""#{cluster_name => '%2F_stockwire.history',
  friendly_name => "queue 'stockwire.history' in vhost '/'",
  machine => {module,rabbit_fifo,#{name => '%2F_stockwire.history',
                queue_resource => {resource,<<"/">>,queue,<<"stockwire.history">>}}},
  system_config =>
      #{data_dir =>
            "/old/var/rabbitmq/data/stockwire@localhost/quorum/stockwire@localhost",
        name => quorum_queues,
        wal_data_dir =>
            "/old/var/rabbitmq/data/stockwire@localhost"
            "/quorum/stockwire@localhost"},
  tick_timeout => 5000,uid => <<"2F_STO7QDP0VT48N8D">>}."""


@pytest.mark.parametrize("place", ["/new/data", "/tmp/stockwire-x/link/data", "/old/var/rabbitmq/data"])
def test_the_log_of_a_queue_is_where_the_data_is(place: str) -> None:
    moved = relocated(CONFIG, Path(place))
    folder = f'"{place}/stockwire@localhost/quorum/stockwire@localhost"'.encode()
    assert moved.count(folder) == 2
    assert moved.replace(folder, b"") == CONFIG.replace(
        b'"/old/var/rabbitmq/data/stockwire@localhost/quorum/stockwire@localhost"', b""
    ).replace(b'"/old/var/rabbitmq/data/stockwire@localhost"\n            "/quorum/stockwire@localhost"', b"")
    assert relocated(moved, Path(place)) == moved


def test_the_configuration_of_each_queue_is_changed(tmp_path: Path) -> None:
    file = tmp_path / "stockwire@localhost/quorum/stockwire@localhost/2F_STO7QDP0VT48N8D/config"
    file.parent.mkdir(parents=True)
    file.write_bytes(CONFIG)
    adopt(tmp_path)
    assert file.read_bytes() == relocated(CONFIG, tmp_path)
    assert [each.name for each in file.parent.iterdir()] == ["config"]
