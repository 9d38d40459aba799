"""The command `permissions`: its lines run by a shell, and run by the command itself."""

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from infra.permissions.definitions import topology_definitions
from infra.permissions.files import write_urls
from infra.permissions.users import process_users
from infra.up.rabbitmq import PrivateBroker
from shared.errors import SettingsError
from shared.messaging import topology
from shared.messaging.address import BrokerAddress
from shared.messaging.amqp.connection import connect
from shared.messaging.amqp.queues import count_messages
from shared.messaging.messages import Message
from shared.messaging.topology import UNLIMITED_DEAD_QUEUE_ARGUMENTS
from shared.settings import ROOT
from tests.broker_users import BrokerUsers
from tests.polling import eventually
from tests.processes import copy_checkout, stockwire
from tests.queues import declare_raw, publish, taken, waiting

PROCESSES = ["worker", "beat", "history", "alerts", "web", "operator"]

# Records its arguments and its standard input, and fails if told to.
FAKE_RABBITMQCTL = """#!/bin/sh
printf '%s\\n' "$*" >> "$RECORD"
case "$*" in *import_definitions*) cat > "$RECORD.json";; esac
[ -z "$FAIL" ] || { echo "Error: unable to perform an operation on node" >&2; exit 69; }
"""

# Runs the real one for the first command of each kind, and records the words of the others, one a line.
SPARING_RABBITMQCTL = """#!/bin/sh
[ -e "$RECORD.$1" ] || { : > "$RECORD.$1"; exec "$REAL" "$@"; }
printf '%s\n' "$@" >> "$RECORD"
"""


def url_files(folder: Path) -> dict[str, Path]:
    return {process: folder / f"{process}.url" for process in PROCESSES}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_checkout(tmp_path_factory.mktemp("permissions"))


def test_the_printed_lines_make_users_who_can_log_in_and_queues_that_exist(
    broker: BrokerAddress, rabbitmq: PrivateBroker, checkout: Path, tmp_path: Path
) -> None:
    """After the first line of each kind, the node grants what a line says without rabbitmqctl, which takes a second."""
    printed = stockwire("permissions", environment={"STOCKWIRE_AMQP_URL": broker.setting()}, folder=checkout)
    assert printed.returncode == 0, printed.stderr
    assert "var/amqp/" in printed.stderr
    urls = url_files(checkout / "var" / "amqp")
    addresses = {process: BrokerAddress.parse(file.read_text().strip()) for process, file in urls.items()}
    assert {stat.S_IMODE(file.stat().st_mode) for file in urls.values()} == {0o600}
    assert not any(address.password in printed.stdout + printed.stderr for address in addresses.values())
    (tmp_path / "rabbitmqctl").write_text(SPARING_RABBITMQCTL)
    (tmp_path / "rabbitmqctl").chmod(0o755)
    variables = {
        "PATH": f"{tmp_path}{os.pathsep}{rabbitmq.environment['PATH']}",
        "RECORD": str(tmp_path / "record"),
        "REAL": str(rabbitmq.server.with_name("rabbitmqctl")),
    }
    done = subprocess.run(
        ["sh", "-e"],
        input=printed.stdout,
        env={**rabbitmq.environment, **variables},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert {file.suffix for file in tmp_path.glob("record.*")} == {
        ".import_definitions",
        ".set_permissions",
        ".set_topic_permissions",
    }
    recorded = (tmp_path / "record").read_text().splitlines()
    for start in range(0, len(recorded), 7):
        BrokerUsers(rabbitmq, broker).obey(*recorded[start : start + 7])
    for process, address in addresses.items():
        connection = connect(address, "test")
        for name in ("stockwire.history", "stockwire.alerts.dead", "celery.sync"):
            assert count_messages(connection, name) == 0, process
        connection.close_gracefully()


class TestApplying:
    @pytest.fixture
    def environment(self, tmp_path: Path) -> dict[str, str]:
        (tmp_path / "rabbitmqctl").write_text(FAKE_RABBITMQCTL)
        (tmp_path / "rabbitmqctl").chmod(0o755)
        return {
            "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
            "RECORD": str(tmp_path / "record"),
            "STOCKWIRE_AMQP_URL": "amqp://localhost/",
        }

    def test_it_runs_the_lines_that_it_prints(self, environment: dict[str, str], checkout: Path) -> None:
        printed = stockwire("permissions", environment=environment, folder=checkout)
        applied = stockwire("permissions", "--apply", environment=environment, folder=checkout)
        assert (applied.returncode, applied.stdout) == (0, ""), applied.stderr
        ran = Path(environment["RECORD"]).read_text().replace("--quiet ", "").splitlines()
        lines = printed.stdout.replace("'", "").splitlines()
        assert ran == [line[line.index("rabbitmqctl ") :].removeprefix("rabbitmqctl ") for line in lines]
        definitions = json.loads(Path(environment["RECORD"] + ".json").read_text())
        assert [user["name"] for user in definitions["users"]] == [f"stockwire-{name}" for name in PROCESSES]

    def test_a_failure_is_one_line_that_says_what_to_run(self, environment: dict[str, str], checkout: Path) -> None:
        failed = stockwire("permissions", "--apply", environment={**environment, "FAIL": "1"}, folder=checkout)
        assert failed.returncode == 1
        assert failed.stderr.startswith("stockwire: rabbitmqctl import_definitions failed (Error: unable to perform")
        assert failed.stderr.endswith("./stockwire permissions | sh\n")

    def test_a_broker_on_another_machine_is_left_alone(self, environment: dict[str, str], checkout: Path) -> None:
        environment["STOCKWIRE_AMQP_URL"] = "amqp://rabbit.example/"
        failed = stockwire("permissions", "--apply", environment=environment, folder=checkout)
        assert failed.returncode == 1
        assert "is on another machine: run the output of ./stockwire permissions there" in failed.stderr
        assert not Path(environment["RECORD"]).exists()


def test_a_password_stays_and_the_rest_of_the_url_follows_the_settings(tmp_path: Path) -> None:
    users = process_users()
    first = write_urls(url_files(tmp_path), BrokerAddress.parse("amqp://old/"), users)
    second = write_urls(url_files(tmp_path), BrokerAddress.parse("amqps://new/?cacertfile=/ca.pem"), users)
    assert first == second
    assert len(set(first.values())) == len(users)
    url = url_files(tmp_path)["history"].read_text()
    assert url == f"amqps://stockwire-history:{first['history']}@new:5671/%2F?cacertfile=/ca.pem\n"


def test_a_broken_file_of_a_url_is_named(tmp_path: Path) -> None:
    url_files(tmp_path)["beat"].write_text("nonsense")
    with pytest.raises(SettingsError, match=r"beat\.url cannot be read"):
        write_urls(url_files(tmp_path), BrokerAddress.parse("amqp://host/"), process_users())


def test_every_user_of_the_table_is_in_the_page() -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    for user in process_users():
        assert f"`{user.name}`" in page


def test_the_definitions_limit_the_dead_letters_of_an_earlier_version(
    rabbitmq: PrivateBroker, broker: BrokerAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead_queue = "stockwire.history.dead"
    declare_raw(broker, dead_queue, UNLIMITED_DEAD_QUEUE_ARGUMENTS, bound=False)
    publish(broker, *(Message("", dead_queue, b"", {"message_id": str(number)}) for number in range(8)))
    monkeypatch.setitem(topology._LIMITS, "x-max-length", 5)
    file = tmp_path / "definitions.json"
    file.write_text(json.dumps(topology_definitions(broker.virtual_host)))
    rabbitmq.rabbitmqctl("import_definitions", str(file))
    eventually(lambda: waiting(broker, dead_queue) == 5)
    assert [each.id for each in taken(broker, dead_queue, 5)] == ["3", "4", "5", "6", "7"]
