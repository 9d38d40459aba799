"""The command line as a whole: help, usage, and the doctor."""

from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from infra.cli import cli
from shared.messaging.address import BrokerAddress
from tests.processes import stockwire

COMMANDS = [
    "up",
    "sync",
    "replay",
    "consume",
    "history",
    "latest",
    "symbols",
    "alerts",
    "watch",
    "plan",
    "rules",
    "dead",
    "doctor",
    "test",
]


def invoke(*words: str) -> Result:
    """Run a command in this process: only for commands that end before they do anything."""
    return CliRunner().invoke(cli, words, prog_name="stockwire")


def test_help_names_every_command() -> None:
    done = stockwire("--help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert f" {command} " in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_of_its_own(command: str) -> None:
    done = invoke(command, "--help")
    assert done.exit_code == 0
    assert f"Usage: stockwire {command}" in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["history"],
        ["history", "AAPL", "--since", "yesterday"],
        ["history", "AAPL", "--limit", "0"],
        ["latest", "--format", "xml"],
        ["replay"],
        ["dead", "show"],
        ["consume"],
        ["watch", "add"],
        ["plan", "--format", "csv"],
    ],
)
def test_wrong_usage_exits_with_2_and_no_traceback(words: list[str]) -> None:
    done = invoke(*words)
    assert done.exit_code == 2
    assert "Error" in done.stderr


def test_the_doctor_finds_nothing_wrong_where_nothing_is(broker: BrokerAddress, tmp_path: Path) -> None:
    done = stockwire("doctor", environment=databases(tmp_path) | {"STOCKWIRE_AMQP_URL": broker.url()})
    assert done.returncode == 0, done.stdout
    assert "FAULT" not in done.stdout
    assert "ok     broker    RabbitMQ" in done.stdout
    assert "ok     provider  simulated: AAPL" in done.stdout
    assert "guest:guest" not in done.stdout


def test_the_doctor_names_every_fault_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "alerts.db").write_text("no database at all, but long enough to be looked at" * 10)
    broken = {"STOCKWIRE_AMQP_URL": "amqp://127.0.0.1:1/", "STOCKWIRE_PROVIDER": "nobody"}
    done = stockwire("doctor", environment=databases(tmp_path) | broken)
    assert done.returncode == 1
    faults = [line for line in done.stdout.splitlines() if line.startswith("FAULT")]
    assert [line.split()[1] for line in faults] == ["broker", "database", "provider"]
    assert "STOCKWIRE_PROVIDER" in faults[2]


def test_the_doctor_names_a_bad_setting() -> None:
    done = stockwire("doctor", environment={"STOCKWIRE_SCHEDULE": "often"})
    assert done.returncode == 1
    assert "FAULT  settings  STOCKWIRE_SCHEDULE" in done.stdout


def databases(folder: Path) -> dict[str, str]:
    return {
        f"STOCKWIRE_{name.upper()}_URL": f"sqlite:///{folder / name}.db" for name in ("history", "alerts", "results")
    }
