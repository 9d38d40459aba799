"""The watch list changed by commands, alone and beside a running `up`."""

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.messaging.address import BrokerAddress
from tests.forked_processes import stockwire
from tests.processes import running

Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]


@pytest.fixture
def run(checkout: Path) -> Run:
    """Run a command in the checkout to its end, with these settings."""

    def ran(*words: str, **settings: str) -> Done:
        environment = {f"STOCKWIRE_{name}": value for name, value in {"SYMBOLS": "AAPL,MSFT", **settings}.items()}
        return stockwire(*words, environment=environment, folder=checkout)

    return ran


def listed(run: Run, **settings: str) -> list[tuple[str, str]]:
    return [
        (row["symbol"], row["source"])
        for row in json.loads(run("watch", "list", "--format", "json", **settings).stdout)
    ]


def test_a_list_that_nobody_changed_is_the_setting_and_leaves_no_file(run: Run, checkout: Path) -> None:
    done = run("watch", "list")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "symbol  source\nAAPL    setting\nMSFT    setting\n"
    assert not (checkout / "var").exists()


def test_each_symbol_of_a_call_is_dealt_with_on_its_own(run: Run) -> None:
    done = run("watch", "add", "brk.b", "B*D", "AAPL", "BRK.B", "IBM")
    assert done.returncode == 1
    assert done.stdout == "added BRK.B, IBM (from the next sync on)\nalready on the watch list: AAPL\n"
    assert done.stderr.startswith("B*D was not added: symbol ")
    assert len(done.stderr.splitlines()) == 1
    done = run("watch", "remove", "IBM", "MSFT", "TSLA")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "removed IBM, MSFT (from the next sync on)\nnot on the watch list: TSLA\n"
    done = run("watch", "list")
    assert done.stdout == "symbol  source\nAAPL    setting\nBRK.B   added\n"
    assert done.stderr == "removed: MSFT (to add again: ./stockwire watch add MSFT)\n"
    # The same changes apply to another base.
    assert listed(run, SYMBOLS="GOOG,MSFT") == [("GOOG", "setting"), ("BRK.B", "added")]


def test_5000_symbols_are_added_in_a_moment(run: Run) -> None:
    began = time.monotonic()
    done = run("watch", "add", *(f"S{number}" for number in range(5000)))
    assert (done.returncode, done.stderr) == (0, "")
    # It takes 1 s on an idle machine; with a query and a write per symbol it took minutes.
    assert time.monotonic() - began < 15
    assert len(listed(run)) == 5002


def test_the_last_symbol_stays(run: Run) -> None:
    done = run("watch", "remove", "AAPL", "MSFT")
    assert (done.returncode, done.stdout) == (1, "removed AAPL (from the next sync on)\n")
    assert done.stderr == "MSFT was not removed: it is the last symbol on the watch list: add another one first\n"
    assert listed(run) == [("MSFT", "setting")]
    done = run("watch", "remove", "NOBODY")
    assert (done.returncode, done.stdout) == (1, "not on the watch list: NOBODY\n")


def test_a_setting_of_which_all_was_removed_stops_a_sync_and_up_in_one_line(run: Run) -> None:
    run("watch", "remove", "AAPL")
    for words in (("sync",), ("up",), ("watch", "list")):
        done = run(*words, SYMBOLS="AAPL")
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert "the watch list is empty" in done.stderr
        assert "./stockwire watch add SYMBOL" in done.stderr


def test_the_doctor_asks_for_what_is_watched(run: Run) -> None:
    run("watch", "remove", "AAPL")
    lines = run("doctor").stdout.splitlines()
    assert "ok     settings  watch list: MSFT" in lines
    assert any("provider" in line and "simulated: MSFT " in line for line in lines)


def test_a_running_up_takes_up_what_is_changed_beside_it(checkout: Path, broker: BrokerAddress) -> None:
    (checkout / ".env").write_text(f"STOCKWIRE_AMQP_URL={broker.url()}\nSTOCKWIRE_SYMBOLS=GOOG,TSLA\n")

    def run(*words: str) -> str:
        return stockwire(*words, folder=checkout).stdout

    run("watch", "remove", "TSLA")
    options = ("--every", "1s", "--symbols", "AAPL,MSFT,IBM,TSLA")
    with running("./stockwire", "up", *options, environment={}, folder=checkout) as up:
        up.wait_for("not watched, because ./stockwire watch remove removed them: TSLA")
        up.wait_for("syncing AAPL, MSFT, IBM from simulated, every 1s")
        # Other commands use the list that `up` was given.
        assert "IBM     setting" in run("watch", "list")
        assert "added BRK.B" in run("watch", "add", "BRK.B")
        assert "removed MSFT" in run("watch", "remove", "MSFT")
        up.wait_for("BRK.B")
        assert up.stop(signal.SIGINT) == 0
    # Without `up` they use the list in .env.
    assert run("watch", "list") == "symbol  source\nGOOG    setting\nBRK.B   added\n"
