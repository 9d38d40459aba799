"""Consumers as a user runs them: processes, signals, and what they print."""

import json
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.messaging.address import BrokerAddress
from shared.messaging.amqp.connection import connected
from shared.messaging.amqp.queues import count_messages
from shared.messaging.messages import Message, price_message
from shared.messaging.publisher import Publisher
from shared.messaging.topology import EXCHANGE
from tests.event_factories import price_series, stock_data
from tests.forked_processes import forked, stockwire
from tests.processes import Process, running, until


@pytest.fixture
def publisher(broker: BrokerAddress) -> Iterator[Publisher]:
    with Publisher(broker, "test") as publisher:
        yield publisher


@pytest.fixture
def history(environment: dict[str, str]) -> Iterator[Process]:
    with forked("python", "-m", "consumers", "history", environment=environment) as process:
        process.wait_for("consuming stockwire.history")
        yield process


def stored(environment: dict[str, str]) -> list[tuple[str, float]]:
    """Return symbol and price of each row, ordered by time, read with sqlite3 alone."""
    database = sqlite3.connect(environment["STOCKWIRE_HISTORY_URL"].removeprefix("sqlite:///"))
    try:
        return database.execute("select symbol, price from price_history order by as_of, symbol").fetchall()
    finally:
        database.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_consumer_stores_and_ends_cleanly_on_a_signal(
    environment: dict[str, str], publisher: Publisher, number: signal.Signals
) -> None:
    with running("python", "-m", "consumers", "history", environment=environment) as history:
        history.wait_for("consuming stockwire.history")
        publisher.publish([price_message(event) for event in price_series(["1.5", "2", "2.25"])])
        until(lambda: len(stored(environment)) == 3, "three rows")
        assert history.stop(number) == 0
    assert stored(environment) == [("AAPL", 1.5), ("AAPL", 2.0), ("AAPL", 2.25)]
    assert "Traceback" not in history.output


def test_a_consumer_killed_in_the_middle_loses_and_doubles_nothing(
    environment: dict[str, str], publisher: Publisher
) -> None:
    events = price_series([str(price) for price in range(1, 3001)])
    with running("python", "-m", "consumers", "history", environment=environment) as first:
        first.wait_for("consuming")
        publisher.publish([price_message(event) for event in events])
        until(lambda: stored(environment), "the first rows")
        first.send(signal.SIGKILL)
        assert first.wait() == -signal.SIGKILL
    with running("python", "-m", "consumers", "history", environment=environment) as second:
        second.wait_for("consuming")
        until(lambda: len(stored(environment)) == 3000, "every row")
        assert second.stop() == 0
    assert [price for _, price in stored(environment)] == [float(price) for price in range(1, 3001)]


def test_a_consumer_that_was_away_catches_up(environment: dict[str, str], publisher: Publisher) -> None:
    with forked("python", "-m", "consumers", "history", environment=environment) as first:
        first.wait_for("consuming")
        assert first.stop() == 0
    publisher.publish([price_message(stock_data("AWAY"))])
    with forked("python", "-m", "consumers", "history", environment=environment):
        until(lambda: stored(environment), "the price published in between")


def test_two_processes_on_one_queue_share_its_work(environment: dict[str, str], publisher: Publisher) -> None:
    consume = ("python", "-m", "consumers", "history")
    with forked(*consume, environment=environment) as one, forked(*consume, environment=environment) as two:
        one.wait_for("consuming")
        two.wait_for("consuming")
        for event in price_series([str(price) for price in range(1, 101)]):
            publisher.publish([price_message(event)])
        until(lambda: len(stored(environment)) == 100, "all rows")
        assert "stored" in one.output
        assert "stored" in two.output


def test_queue_and_pattern_can_be_chosen(environment: dict[str, str], publisher: Publisher) -> None:
    options = ("--queue", "mine", "--pattern", "stock.MSFT.price", "--pattern", "stock.BRK-B.price")
    with forked("./stockwire", "consume", "history", *options, environment=environment) as process:
        process.wait_for("consuming mine (stock.MSFT.price stock.BRK-B.price)")
        publisher.publish([price_message(stock_data("MSFT")), price_message(stock_data("BRK.B"))])
        until(lambda: [symbol for symbol, _ in stored(environment)] == ["BRK.B", "MSFT"], "two rows")


def test_tail_prints_what_passes_and_leaves_no_queue(
    environment: dict[str, str], publisher: Publisher, broker: BrokerAddress
) -> None:
    with forked("./stockwire", "consume", "tail", environment=environment) as tail:
        tail.wait_for("consuming")
        publisher.publish(
            [
                price_message(stock_data("BRK.B", "412.5")),
                Message(EXCHANGE, "stock.X.price", b"oops", {"message_id": "1"}),
            ]
        )
        tail.wait_for("stock.BRK-B.price  BRK.B 412.5 USD as of 2024-11-20T09:59:58Z (simulated)")
        tail.wait_for("stock.X.price  invalid (not JSON")
        queue = tail.output.split("consuming ")[1].split(" ")[0]
        assert tail.stop() == 0
    with connected(broker, "test") as connection:
        until(lambda: count_messages(connection, queue) is None, "the queue to go")


def test_a_consumer_of_ones_own_is_one_small_file(
    environment: dict[str, str], publisher: Publisher, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(
        "from shared.messaging.consumer import consumer\n"
        "@consumer('mine', 'stock.*.price')\n"
        "def mine(events):\n"
        "    for event in events:\n"
        "        print('seen', event.symbol, event.price, flush=True)\n"
    )
    path = {"PYTHONPATH": str(tmp_path)}
    with forked("./stockwire", "consume", "mine:mine", environment={**environment, **path}) as process:
        process.wait_for("consuming stockwire.mine")
        publisher.publish([price_message(stock_data("BRK.B", "412.5"))])
        process.wait_for("seen BRK.B 412.5")
        assert process.stop() == 0


def test_the_example_consumer_runs(environment: dict[str, str], publisher: Publisher) -> None:
    with forked("./stockwire", "consume", "examples.big_moves:big_moves", environment=environment) as process:
        process.wait_for("consuming")
        publisher.publish([price_message(event) for event in price_series(["100", "102"])])
        process.wait_for("AAPL 100 -> 102 (+2.0 %)")


def test_dead_letters_are_listed_shown_sent_back_and_dropped(
    history: Process, environment: dict[str, str], publisher: Publisher
) -> None:
    publisher.publish([Message(EXCHANGE, "stock.X.price", b"oops", {"message_id": "bad"})])
    history.wait_for("dead-lettered bad")
    assert "stockwire.history     1" in stockwire("dead", "list", environment=environment).stdout
    listed = json.loads(stockwire("dead", "list", "history", "--format", "json", environment=environment).stdout)
    assert [(row["message_id"], row["routing_key"]) for row in listed] == [("bad", "stock.X.price")]
    assert "oops" in stockwire("dead", "show", "stockwire.history", environment=environment).stdout
    assert "sent 1 back" in stockwire("dead", "requeue", "history", environment=environment).stdout
    until(lambda: history.output.count("dead-lettered bad") == 2, "it to be tried again")
    assert "dropped 1" in stockwire("dead", "drop", "history", environment=environment).stdout
    nothing = stockwire("dead", "list", "nobody", environment=environment)
    assert (nothing.returncode, nothing.stderr.count("\n")) == (1, 1)


def assert_one_line(done: object, *words: str) -> None:
    assert done.returncode == 1, done  # type: ignore[attr-defined]
    lines = done.stderr.strip().split("\n")  # type: ignore[attr-defined]
    assert len(lines) == 1, lines
    assert lines[0].startswith("stockwire: ")
    for word in words:
        assert word in lines[0]


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("STOCKWIRE_AMQP_URL", "amqp://127.0.0.1:1/", ["RabbitMQ does not answer", "STOCKWIRE_AMQP_URL"]),
        ("STOCKWIRE_AMQP_URL", "http://localhost", ["STOCKWIRE_AMQP_URL", "AMQP URL"]),
        ("STOCKWIRE_SCHEDULE", "sometimes", ["STOCKWIRE_SCHEDULE", "5m"]),
        ("STOCKWIRE_SYMBOLS", "A B!", ["STOCKWIRE_SYMBOLS", "symbol"]),
        ("STOCKWIRE_SYMBOL", "AAPL", ["STOCKWIRE_SYMBOL", "STOCKWIRE_SYMBOLS"]),
        ("STOCKWIRE_HISTORY_URL", "nonsense", ["STOCKWIRE_HISTORY_URL", "sqlite:///"]),
        ("STOCKWIRE_ALERTS_URL", "nodb://localhost/x", ["STOCKWIRE_ALERTS_URL", "sqlite:///"]),
        ("STOCKWIRE_HISTORY_URL", "sqlite:////proc/nowhere/history.db", ["/proc/nowhere"]),
    ],
)
def test_a_bad_setting_is_one_line_that_names_it(
    environment: dict[str, str], variable: str, value: str, words: list[str]
) -> None:
    assert_one_line(stockwire("consume", "history", environment={**environment, variable: value}), *words)


def test_a_wrong_password_is_one_line_without_the_password(environment: dict[str, str], broker: BrokerAddress) -> None:
    wrong = {**environment, "STOCKWIRE_AMQP_URL": f"amqp://guest:secret@127.0.0.1:{broker.port}/"}
    done = stockwire("consume", "history", environment=wrong)
    assert_one_line(done, "refused user 'guest'", "STOCKWIRE_AMQP_URL")
    assert "secret" not in done.stderr + done.stdout


@pytest.mark.parametrize("name", ["nobody", ":x", "no.such.module:x", "json:loads", "examples.big_moves:nothing"])
def test_an_unknown_consumer_is_one_line(environment: dict[str, str], name: str) -> None:
    assert_one_line(stockwire("consume", name, environment=environment), name)


def test_a_read_only_database_is_one_line(environment: dict[str, str]) -> None:
    path = environment["STOCKWIRE_HISTORY_URL"].removeprefix("sqlite:///")
    read_only = {**environment, "STOCKWIRE_HISTORY_URL": f"sqlite:///file:{path}?mode=ro&uri=true"}
    sqlite3.connect(path).close()
    assert_one_line(stockwire("consume", "history", environment=read_only), "read-only")
