"""The command line as a whole: help, usage, and the doctor."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from consumers.history.store import PriceStore
from consumers.history.tables import SCHEMA
from infra.cli import cli
from shared.database.engine import opened
from shared.database.schema import create_schema
from shared.database.url import DatabaseUrl
from shared.messaging.address import BrokerAddress
from shared.settings import ROOT
from tests.event_factories import stock_data
from tests.processes import PYTHON, stockwire

# Has a character that Latin-1 lacks, and one that only ASCII lacks.
PROVIDER = "Börse €"

COMMANDS = [
    "up",
    "sync",
    "replay",
    "consume",
    "history",
    "latest",
    "symbols",
    "splits",
    "alerts",
    "watch",
    "plan",
    "rules",
    "dead",
    "doctor",
    "test",
]


@pytest.fixture
def history(tmp_path: Path) -> dict[str, str]:
    """Settings with a history that has one price."""
    url = DatabaseUrl(f"sqlite:///{tmp_path / 'history.db'}")
    with opened(url.engine_url) as engine:
        create_schema(engine, SCHEMA)
        PriceStore(engine).save([stock_data(provider=PROVIDER)])
    return {"STOCKWIRE_HISTORY_URL": url.text}


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
        ["history", "AAPL", "--limit", "99999999999999999999"],
        ["history", "AAPL", "--every", "1M"],
        ["history", "AAPL", "--tz", "UTC"],
        ["history", "AAPL", "--fill"],
        ["history", "AAPL", "--every", "1h", "--tz", "Mars/Olympus"],
        ["alerts", "--limit", "9" * 5000],
        ["replay", "prices.csv", "--rate", "inf"],
        ["replay", "prices.csv", "--rate", "nan"],
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


def test_candles_are_printed_in_every_format(history: dict[str, str]) -> None:
    done = stockwire("history", "AAPL", "MSFT", "--every", "1h", "--format", "json", environment=history)
    assert (done.returncode, done.stderr) == (0, "")
    prices = dict.fromkeys(("open", "high", "low", "close"), "187.44")
    candle = {"symbol": "AAPL", "start": "2024-11-20T09:00:00Z", **prices, "volume": None, "samples": 1}
    assert json.loads(done.stdout) == [candle]


def test_candles_in_the_zone_of_the_market_need_a_market(history: dict[str, str]) -> None:
    done = stockwire("history", "AAPL", "--every", "1d", "--tz", "market", environment=history)
    assert done.returncode == 1
    assert done.stderr == "stockwire: --tz market needs the setting STOCKWIRE_MARKET, such as XNYS\n"
    zone = {"STOCKWIRE_MARKET": "XNYS"}
    done = stockwire("history", "AAPL", "--every", "1d", "--tz", "market", environment=history | zone)
    assert done.stdout.splitlines()[1].split()[:2] == ["AAPL", "2024-11-20T05:00:00Z"]


@pytest.mark.parametrize("option", [["--queue", "q" * 251], ["--queue", "prix élevés"], ["--pattern", "p" * 256]])
def test_a_queue_or_pattern_that_cannot_exist_is_an_error_of_one_line(option: list[str]) -> None:
    done = stockwire("consume", "history", *option)
    [line] = done.stderr.splitlines()
    assert line.startswith(f"stockwire: '{option[1][:40]}' is not a")
    assert done.returncode == 1


def in_shell(command: str, environment: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[bytes]":
    """Run a line of a shell in the project's folder."""
    everything = {**os.environ, **PYTHON, **(environment or {})}
    return subprocess.run(["sh", "-c", command], cwd=ROOT, env=everything, capture_output=True, check=False, timeout=60)


@pytest.mark.parametrize("command", ["--help", "plan", "latest --format csv"])
@pytest.mark.parametrize("redirection", [">&-", "> /dev/full"])
def test_output_that_is_lost_is_an_error_of_one_line(command: str, redirection: str, history: dict[str, str]) -> None:
    done = in_shell(f"./stockwire {command} {redirection}", history)
    [line] = done.stderr.decode().splitlines()
    assert line.startswith("stockwire: standard output cannot be written")
    assert line.endswith("redirect it to a file with room, or to /dev/null")
    assert done.returncode == 1


@pytest.mark.parametrize("redirection", ["2>&-", "2> /dev/full", "<&- 2>&-"])
def test_a_command_without_output_needs_no_stream(redirection: str, history: dict[str, str]) -> None:
    done = in_shell(f"./stockwire watch list {redirection} > /dev/null", history)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("command", ["--help", "consume --list", "latest --format json"])
def test_a_reader_that_has_enough_gets_no_complaint(command: str, history: dict[str, str]) -> None:
    done = in_shell(f"./stockwire {command} | true", history)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_with_few_characters_shows_escapes_for_the_others(encoding: str, history: dict[str, str]) -> None:
    environment = {**history, "PYTHONIOENCODING": encoding}
    assert PROVIDER.encode(encoding, "backslashreplace") in in_shell("./stockwire symbols", environment).stdout
    printed = in_shell("./stockwire symbols --format json", environment).stdout.decode(encoding)
    assert json.loads(printed)[0]["provider"] == PROVIDER


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
