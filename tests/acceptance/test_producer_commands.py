"""`sync` and `replay` as processes: their output and their exit status."""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.events import StockData
from shared.messaging.address import BrokerAddress
from shared.times import utc_now
from tests.forked_processes import forked, stockwire
from tests.processes import until
from tests.queues import declare, taken, waiting

Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]


@pytest.fixture
def run(checkout: Path, broker: BrokerAddress) -> Run:
    """Run a command in the checkout to its end, with these settings."""

    def ran(*words: str, **settings: str) -> Done:
        environment = {f"STOCKWIRE_{name}": value for name, value in {"AMQP_URL": broker.url(), **settings}.items()}
        return stockwire(*words, environment=environment, folder=checkout)

    return ran


def test_sync_prints_what_was_published(run: Run, broker: BrokerAddress) -> None:
    queue = declare(broker)
    done = run("sync", SYMBOLS="AAPL,BRK.B")
    assert (done.returncode, done.stderr) == (0, "")
    header, *lines = [line.split() for line in done.stdout.splitlines()]
    assert header == ["symbol", "price", "currency", "as_of", "provider"]
    events = [StockData.decode(delivery.body, utc_now()) for delivery in taken(broker, queue, 2)]
    assert lines == [
        [data["symbol"], data["price"], "USD", data["as_of"], "simulated"]
        for data in (each.fields() for each in events)
    ]


def test_a_malformed_symbol_fails_alone(run: Run, broker: BrokerAddress) -> None:
    queue = declare(broker)
    done = run("sync", "aapl", "B*D", "AAPL")
    assert done.returncode == 1
    assert done.stdout.splitlines()[1].startswith("AAPL ")
    assert done.stderr.startswith("B*D failed: symbol 'B*D' is not ")
    assert waiting(broker, queue) == 1


def test_a_sync_without_a_consumer_says_what_to_do(run: Run) -> None:
    done = run("sync", "AAPL")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("AAPL failed: no queue is bound for stock.AAPL.price: start a consumer first")


@pytest.mark.parametrize("command", [("sync",), ("replay", "prices.csv"), ("backfill", "AAPL", "--since", "7d")])
def test_a_broker_that_is_away_is_one_line(run: Run, checkout: Path, command: tuple[str, ...]) -> None:
    (checkout / "prices.csv").write_text("date,symbol,close\n2020-01-02,AAPL,1\n")
    done = run(*command, AMQP_URL="amqp://127.0.0.1:1/")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("stockwire: RabbitMQ does not answer at amqp://127.0.0.1:1/")
    assert len(done.stderr.splitlines()) == 1


def test_replay_names_the_bad_row_and_publishes_the_rest(run: Run, checkout: Path, broker: BrokerAddress) -> None:
    queue = declare(broker)
    (checkout / "prices.csv").write_text(
        "date,symbol,close\n2020-01-02,AAPL,1.50\n2020-01-03,AAPL,x\n2020-01-04,AAPL,2\n"
    )
    done = run("replay", "prices.csv")
    assert done.returncode == 1
    assert done.stdout == "published 2 events, skipped 1 rows\n"
    assert done.stderr == "prices.csv line 3: close 'x' is not a decimal number such as 412.35\n"
    assert [json.loads(each.body)["data"]["price"] for each in taken(broker, queue, 2)] == ["1.5", "2"]


def test_replay_of_some_symbols(run: Run, checkout: Path, broker: BrokerAddress) -> None:
    queue = declare(broker)
    (checkout / "prices.csv").write_text("date,symbol,close\n2020-01-02,AAPL,1\n2020-01-02,IBM,2\n2020-01-02,BRK.B,3\n")
    done = run("replay", "prices.csv", "--symbols", "aapl,BRK.B", "--backfill", "--rate", "1000")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "published 2 events, skipped 0 rows\n"
    assert [each.routing_key for each in taken(broker, queue, 2)] == ["stock.AAPL.backfill", "stock.BRK-B.backfill"]


def test_a_replay_of_symbols_that_the_file_does_not_have_is_an_error(
    run: Run, checkout: Path, broker: BrokerAddress
) -> None:
    declare(broker)
    (checkout / "prices.csv").write_text("date,symbol,close\n2020-01-02,AAPL,1\n")
    done = run("replay", "prices.csv", "--symbols", "XYZ")
    assert (done.returncode, done.stdout) == (1, "published 0 events, skipped 0 rows\n")
    assert done.stderr == "stockwire: prices.csv has no rows of XYZ (--symbols)\n"


def test_replay_publishes_bars_of_a_file_without_a_header(run: Run, checkout: Path, broker: BrokerAddress) -> None:
    queue = declare(broker)
    (checkout / "klines.csv").write_text(
        "1577923200000,11,13,10,12.5\n1577926800000,0,13,10,x\n" + "soon,1,1,1,1\n" * 30
    )
    columns = "time=1,open=2,high=3,low=4,close=5"
    done = run("replay", "klines.csv", "--no-header", "--columns", columns, "--symbol", "xyz", "--interval", "60m")
    assert (done.returncode, done.stdout) == (1, "published 1 events, skipped 31 rows\n")
    assert len(done.stderr.splitlines()) == 12
    assert done.stderr.endswith("20 more rows were skipped for the same reasons, of which 10 each are shown\n")
    [event] = [json.loads(each.body)["data"] for each in taken(broker, queue, 1)]
    expected = {"symbol": "XYZ", "price": "12.5", "as_of": "2020-01-02T01:00:00Z", "interval": "1h", "open": "11"}
    assert event.items() >= expected.items()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_replay_that_is_stopped_says_how_far_it_got(
    checkout: Path, broker: BrokerAddress, number: signal.Signals
) -> None:
    queue = declare(broker)
    (checkout / "prices.csv").write_text("date,symbol,close\n" + "2020-01-02,AAPL,1\n" * 10_000)
    command = ("./stockwire", "replay", "prices.csv", "--rate", "100")
    with forked(*command, environment={"STOCKWIRE_AMQP_URL": broker.url()}, folder=checkout) as replay:
        until(lambda: waiting(broker, queue), "the first events")
        assert replay.stop(number, timeout=5) == 0
        assert replay.output == f"published {waiting(broker, queue)} events, skipped 0 rows\n"
