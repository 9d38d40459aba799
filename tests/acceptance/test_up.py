"""The whole pipeline by the README's first command, in a copy of the project."""

import json
import os
import re
import signal
import socket
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from consumers.registry import find_consumer
from shared.errors import BrokerRefused
from shared.messaging.address import BrokerAddress
from shared.messaging.amqp.connection import connect
from tests.forked_processes import stockwire
from tests.processes import processes_in, running, until
from tests.queues import channel_to

UP_TIMEOUT = 90.0


# A key of a provider that is not used.
KEY = "key-of-finnhub-4711"
# In `var`; only their owner can read them.
PRIVATE = ("amqp", "rabbitmq", "up.env")


def files_with(secrets: list[str], folder: Path) -> list[Path]:
    """Return the files, other than the private ones, that hold one of the secrets."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.relative_to(folder).parts[0] not in PRIVATE]
    assert files
    return [path for path in files if any(secret.encode() in path.read_bytes() for secret in secrets)]


@pytest.fixture
def ask(checkout: Path) -> Callable[..., Any]:
    """Run a query command in the checkout and return its JSON, or an empty list before the database exists."""

    def asked(*words: str) -> Any:
        done = stockwire(*words, "--format", "json", folder=checkout)
        return json.loads(done.stdout or "[]")

    return asked


def test_up_brings_the_whole_pipeline_and_ends_all_of_it(checkout: Path, ask: Callable[..., Any]) -> None:
    """On a private broker, where each process has its own user and guest may do nothing."""
    assert stockwire("rules", "add", "any", "AAPL above 0.01", folder=checkout).returncode == 0
    (checkout / ".env").write_text(f"STOCKWIRE_AMQP_URL=amqp://127.0.0.1:1/\nSTOCKWIRE_FINNHUB_KEY={KEY}\n")
    options = ("--every", "1s", "--symbols", "AAPL,BRK.B")
    with running(str(checkout / "stockwire"), "up", *options, environment={}, folder=checkout) as up:
        up.wait_for("starting a private one")
        up.wait_for("ALERT any", UP_TIMEOUT)
        # The output is looked at first, because each query is a process.
        until(lambda: up.output.count("BRK.B") > 3, "three prices of BRK.B", UP_TIMEOUT)
        until(lambda: len(ask("history", "BRK.B")) >= 3, "three stored prices of BRK.B")
        assert {row["provider"] for row in ask("latest")} == {"simulated"}
        assert [row["symbol"] for row in ask("symbols")] == ["AAPL", "BRK.B"]
        assert "(simulated)" in up.output
        [alert] = ask("alerts")
        assert (alert["rule_name"], alert["condition"], alert["symbol"]) == ("any", "above", "AAPL")
        assert processes_in(checkout)
        # Another command finds the private broker, which `up` started because the one in .env does not answer.
        assert stockwire("sync", "MSFT", folder=checkout).returncode == 0
        up.wait_for("MSFT")
        until(lambda: ask("history", "MSFT"), "the price synced beside it")
        processes, addresses = processes_in(checkout), addresses_of_processes(checkout)
        assert {name: address.username for name, address in addresses.items()} == {
            "consumers history": "stockwire-history",
            "consumers alerts": "stockwire-alerts",
            "celery -A producer": "stockwire-worker",
        }
        with pytest.raises(BrokerRefused):
            connect(replace(addresses["consumers history"], username="guest", password="guest"), "test")
        assert "nothing to do" in stockwire("permissions", "--apply", folder=checkout).stderr
        assert up.stop(signal.SIGINT, timeout=60) == 0
    assert "Traceback" not in up.output
    secrets = [KEY, *(address.password for address in addresses.values())]
    assert not [command for _, command in processes if any(secret in command for secret in secrets)]
    assert not any(secret in up.output for secret in secrets)
    assert files_with(secrets, checkout / "var") == []
    for log in (checkout / "var" / "log").glob("*.log"):
        assert "refused" not in log.read_text(), log
    readable = [path for path in (checkout / "var" / "rabbitmq").glob("*") if path.stat().st_mode & 0o077]
    assert (checkout / "var" / "rabbitmq").stat().st_mode & 0o077 == 0, readable
    assert processes_in(checkout) == []
    results = sqlite3.connect(checkout / "var" / "celery.db").execute("select status, result from celery_taskmeta")
    rows = results.fetchall()
    results.connection.close()
    assert {status for status, _ in rows} == {"SUCCESS"}
    # A sync that was due during another one is skipped.
    assert sum(json.loads(result).get("published", 0) for _, result in rows) >= 6


def addresses_of_processes(checkout: Path) -> dict[str, BrokerAddress]:
    """Return the broker's address, with user and password, in the environment of each process of `up`."""
    found = {}
    for pid, command in processes_in(checkout):
        variables = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
        [url] = [each for each in variables if each.startswith("STOCKWIRE_AMQP_URL=")] or [""]
        for name in ("consumers history", "consumers alerts", "celery -A producer"):
            if name in command:
                found[name] = BrokerAddress.parse(url.removeprefix("STOCKWIRE_AMQP_URL="))
    return found


def test_up_uses_a_broker_that_answers_and_ends_by_itself(
    checkout: Path, ask: Callable[..., Any], broker: BrokerAddress
) -> None:
    """It goes on without the page if the address is in use, and names another consumer of its queue."""
    # Variables of another project, which Celery's program would obey.
    foreign = {"CELERY_BROKER_URL": "amqp://127.0.0.1:1/", "WORKDIR": "/nowhere", "LOADER": "theirs", "APP": "theirs"}
    # The time counts from the start of the producer, which needs some seconds to send its first sync.
    options = ("--every", "1s", "--for", "10s")
    spec = find_consumer("alerts").queue_spec()
    with socket.create_server(("127.0.0.1", 0)) as taken, channel_to(broker) as channel:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        in_use = f"HTTP cannot be served at {address}"
        environment = {**foreign, "STOCKWIRE_HTTP": address, "STOCKWIRE_AMQP_URL": broker.url()}
        serve = stockwire("serve", folder=checkout, environment=environment)
        assert (serve.returncode, serve.stderr.count("\n")) == (1, 1)
        assert in_use in serve.stderr
        channel.queue.declare(spec.name, durable=True, arguments=spec.arguments)
        channel.basic.consume(print, spec.name)
        with running(str(checkout / "stockwire"), "up", *options, environment=environment, folder=checkout) as up:
            up.wait_for("others than ./stockwire up in this folder consume from stockwire.alerts (1): another checkout")
            up.wait_for(f"there is no page and no API: {in_use}")
            up.wait_for("broker")
            second = stockwire("up", folder=checkout, environment=environment)
            assert second.returncode == 1
            assert "already" in second.stderr
            up.wait_for("AAPL")
            assert up.wait(60) == 0
    assert "private" not in up.output
    assert len(ask("symbols")) == 5
    assert processes_in(checkout) == []


def test_what_a_killed_up_left_behind_is_ended_by_the_next(checkout: Path, broker: BrokerAddress) -> None:
    environment = {"STOCKWIRE_AMQP_URL": broker.url()}
    words = (str(checkout / "stockwire"), "up", "--every", "1s")
    with running(*words, environment=environment, folder=checkout) as first:
        first.wait_for("AAPL")
        # The watchdog first, which would end the others after the end of `up`.
        for pid, command in sorted(processes_in(checkout), key=lambda each: "watchdog" not in each[1]):
            if "infra" in command:
                os.kill(pid, signal.SIGKILL)
        first.wait()
    assert any("celery" in command for _, command in processes_in(checkout))
    # Like the address of a private broker.
    (checkout / "var" / "up.env").write_text("STOCKWIRE_AMQP_URL=amqp://guest:guest@127.0.0.1:1/\n")
    with running(*words, environment=environment, folder=checkout) as second:
        second.wait_for("AAPL")
        # The signal of a closed terminal.
        assert second.stop(signal.SIGHUP) == 0
    assert processes_in(checkout) == []


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--every", "often"], "STOCKWIRE_SCHEDULE"),
        (["--symbols", "a b!"], "STOCKWIRE_SYMBOLS"),
        (["--provider", "nope"], "STOCKWIRE_PROVIDER"),
        (["--provider", "replay"], "STOCKWIRE_REPLAY_FILE"),
    ],
)
def test_a_bad_option_is_one_line(checkout: Path, arguments: list[str], word: str) -> None:
    done = stockwire("up", *arguments, folder=checkout)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert word in done.stderr


def test_wrong_usage_exits_with_2(checkout: Path) -> None:
    assert stockwire("up", "--for", "soon", folder=checkout).returncode == 2
    assert stockwire("nonsense", folder=checkout).returncode == 2


def test_up_serves_the_page_starts_what_is_killed_again_and_is_ended_by_down(
    checkout: Path, broker: BrokerAddress
) -> None:
    environment = {"STOCKWIRE_AMQP_URL": broker.url(), "STOCKWIRE_HTTP": "127.0.0.1:0"}
    with running(str(checkout / "stockwire"), "up", "--every", "1s", environment=environment, folder=checkout) as up:
        up.wait_for("changes over HTTP need the token")
        [url] = re.findall(r"page and API at (http://127\.0\.0\.1:\d+)/", up.output)
        [token] = re.findall(r"need the token (\S+) ", up.output)
        file = checkout / "var" / "api-token"
        assert (file.read_text().strip(), file.stat().st_mode & 0o777) == (token, 0o600)
        until(lambda: answers(f"{url}/readyz"), "the page")
        assert "<html" in requests.get(url, timeout=10).text
        with requests.get(f"{url}/v1/events", stream=True, timeout=60) as events:
            lines = (line for line in events.iter_lines() if line.startswith(b"data: "))
            assert json.loads(next(lines).removeprefix(b"data: "))["type"] == "STOCK_DATA"
        rule = {"name": "any", "when": "AAPL above 0.01"}
        refused = requests.post(f"{url}/v1/alert-rules", json=rule, timeout=10)
        assert refused.status_code == 401
        headers = {"Authorization": f"Bearer {token}"}
        assert requests.post(f"{url}/v1/alert-rules", json=rule, headers=headers, timeout=10).status_code == 201
        up.wait_for("ALERT any")
        for name, words in (("web", "infra serve"), ("history", "consumers history")):
            [victim] = [pid for pid, command in processes_in(checkout) if words in command]
            os.kill(victim, signal.SIGKILL)
            up.wait_for(f"{name} ended")
        until(lambda: up.output.count("restarting it") == 2, "both to be started again")
        until(lambda: answers(f"{url}/livez"), "the page again")
        assert "ended the running ./stockwire up" in stockwire("down", folder=checkout).stdout
        assert up.wait() == 0
    assert processes_in(checkout) == []


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=10).status_code == 200
    except requests.ConnectionError:
        return False
