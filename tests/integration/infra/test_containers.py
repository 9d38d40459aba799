"""The files of the containers with a real RabbitMQ: users, definitions and certificates."""

import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from infra.permissions.containers import write_all
from infra.permissions.users import process_users
from infra.up.install import find_server
from infra.up.rabbitmq import PrivateBroker, free_port
from shared.errors import BrokerRefused
from shared.messaging.address import BrokerAddress
from shared.messaging.amqp.connection import connect
from shared.messaging.amqp.queues import count_messages
from shared.settings import ROOT
from tests.conftest import unavailable

FILES = ROOT / "infra" / "rabbitmq"
MAKE_CERTIFICATES = FILES / "make_certificates.sh"


@dataclass(frozen=True)
class Site:
    """The folder that the containers mount as /run, and a node with the configuration of the containers."""

    folder: Path
    node: PrivateBroker
    tls_port: int

    def address(self, process: str) -> BrokerAddress:
        """Return the address in the URL of a process, as it is outside of a container."""
        address = BrokerAddress.parse((self.folder / "amqp" / process / "url").read_text().strip())
        assert address.host == "rabbitmq"
        assert address.tls
        tls = replace(address.tls, cacertfile=str(self.folder / "certificates" / "ca.pem"), server_name="rabbitmq")
        return replace(address, host="127.0.0.1", port=self.tls_port, tls=tls)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    server = find_server()
    if server is None:
        unavailable("no RabbitMQ is installed")
        raise AssertionError
    folder, port = tmp_path_factory.mktemp("run"), free_port()
    base = BrokerAddress.parse("amqps://rabbitmq:5671/?cacertfile=/run/certificates/ca.pem")
    write_all(folder, base)
    subprocess.run([MAKE_CERTIFICATES, folder / "certificates"], check=True, capture_output=True)
    files = [(FILES / name).read_text() for name in ("rabbitmq.conf", "definitions.conf", "tls.conf")]
    config = "".join(files).replace("/run/", f"{folder}/").replace("listeners.tcp = none\n", "")
    config = config.replace("listeners.ssl.default = 5671", f"listeners.ssl.1 = 127.0.0.1:{port}")
    operator = BrokerAddress.parse((folder / "amqp" / "operator" / "url").read_text().strip())
    node = PrivateBroker(folder / "node", server, username=operator.username, password=operator.password)
    node.extra_config = config
    node.start()
    try:
        yield Site(folder, node, port)
    finally:
        node.stop()


@pytest.mark.parametrize("process", [user.process for user in process_users()])
def test_each_url_is_accepted_over_tls_and_the_queues_are_there(process: str, site: Site) -> None:
    connection = connect(site.address(process), "test")
    assert count_messages(connection, "stockwire.history") == 0
    connection.close_gracefully()


def test_guest_is_refused(site: Site) -> None:
    with pytest.raises(BrokerRefused):
        connect(replace(site.address("history"), username="guest", password="guest"), "test")


def test_another_start_keeps_the_passwords(site: Site) -> None:
    before = site.address("alerts")
    write_all(site.folder, replace(before, host="rabbitmq"))
    assert site.address("alerts").password == before.password


def test_the_files_are_readable_in_the_containers(site: Site) -> None:
    """They belong to root, and the processes are not root."""
    for file in (*site.folder.glob("amqp/*/url"), site.folder / "definitions" / "definitions.json"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_the_key_of_the_authority_is_gone_and_certificates_are_not_overwritten(site: Site) -> None:
    folder = site.folder / "certificates"
    assert {file.name for file in folder.iterdir()} == {"ca.pem", "server.pem", "server.key"}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    again = subprocess.run([MAKE_CERTIFICATES, folder], check=False, capture_output=True, text=True)
    assert again.returncode == 1
    assert "delete the folder" in again.stderr
