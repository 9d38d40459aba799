"""The producer as a user runs it: `celery -A producer worker --beat`, in its own copy of the project."""

import contextlib
import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from infra.up.rabbitmq import PrivateBroker
from producer.market_service import sync_lock
from shared.events import StockData, stock_data_id
from shared.messaging.address import BrokerAddress
from shared.times import format_instant, parse_instant, utc_now
from tests.celery_worker import CELERY, children, have_open, results
from tests.forked_processes import forked
from tests.processes import Process, running, until
from tests.proxy import proxy
from tests.queues import channel_to, declare, taken, waiting

WORKER = (*CELERY, "worker", "--beat", "--loglevel=info")

FOREIGN = {
    "CELERY_BROKER_URL": "amqp://127.0.0.1:1/",
    "CELERY_BROKER_READ_URL": "amqp://127.0.0.1:1/",
    "CELERY_BROKER_WRITE_URL": "amqp://127.0.0.1:1/",
    "CELERY_RESULT_BACKEND": "redis://127.0.0.1:1/",
    "CELERY_CONFIG_MODULE": "nonsense",
    "CELERY_LOADER": "nonsense:Loader",
    "CELERY_APP": "nonsense",
    "CELERY_CUSTOM_WORKER_POOL": "nonsense:Pool",
    "CELERY_WORKER_QUEUES": "nonsense",
    "CELERY_WORKER_POOL": "solo",
    "CELERY_WORKER_LOGFILE": "/nowhere/celery.log",
    "CELERYD_CONCURRENCY": "9",
    "BROKER_URL": "amqp://127.0.0.1:1/",
    "RESULT_BACKEND": "redis://127.0.0.1:1/",
    "CONFIG_MODULE": "nonsense",
    "LOADER": "nonsense:Loader",
    "APP": "nonsense",
    "C_FORCE_ROOT": "1",
    "FLOWER_PORT": "nonsense",
}

Start = Callable[..., AbstractContextManager[Process]]


@pytest.fixture
def start(checkout: Path, broker: BrokerAddress) -> Start:
    """Fork a process in the checkout, with these settings."""
    return _starting(forked, checkout, broker)


@pytest.fixture
def start_fresh(checkout: Path, broker: BrokerAddress) -> Start:
    """Start a process with an interpreter of its own, for tests of a worker's start and of its processes."""
    return _starting(running, checkout, broker)


def _starting(run: Start, checkout: Path, broker: BrokerAddress) -> Start:
    def started(*command: str, **settings: str) -> AbstractContextManager[Process]:
        defaults = {"AMQP_URL": broker.url(), "SYMBOLS": "AAPL,MSFT", "SCHEDULE": "1s"}
        environment = {f"STOCKWIRE_{name}": value for name, value in {**defaults, **settings}.items()}
        # The tests' own path would hide that Celery does not put the current folder on it.
        return run(*(command or WORKER), environment={**environment, "PYTHONPATH": ""}, folder=checkout)

    return started


def read_events(broker: BrokerAddress, queue: str, count: int) -> list[StockData]:
    return [StockData.decode(delivery.body, utc_now()) for delivery in taken(broker, queue, count)]


def send(broker: BrokerAddress, checkout: Path, *options: str) -> None:
    """Send a sync with Celery's command line."""
    environment = {"STOCKWIRE_AMQP_URL": broker.url(), "PYTHONPATH": ""}
    with forked(*CELERY, "call", "producer.sync", *options, environment=environment, folder=checkout) as sender:
        assert sender.wait() == 0, sender.output


def done_syncs(checkout: Path) -> list[dict[str, Any]]:
    return [result for result in results(checkout) if "skipped" not in result]


def test_worker_and_beat_sync_on_schedule_and_stop_cleanly(
    start_fresh: Start, checkout: Path, broker: BrokerAddress, rabbitmq: PrivateBroker
) -> None:
    queue = declare(broker)
    with start_fresh() as worker:
        until(lambda: len(done_syncs(checkout)) >= 3, "three syncs")
        listed = rabbitmq.rabbitmqctl(
            "list_queues", "--vhost", broker.virtual_host, "--no-table-headers", "name", "durable", "exclusive"
        )
        began = time.monotonic()
        assert worker.stop(signal.SIGTERM) == 0
        assert time.monotonic() - began < 10
        output = worker.output
    assert not children(checkout)

    # RabbitMQ 4.3 refuses a queue that is neither durable nor exclusive.
    queues = [line.split("\t") for line in listed.splitlines()]
    assert "celery.sync" in [name for name, _, _ in queues]
    assert all("true" in (durable, exclusive) for _, durable, exclusive in queues), listed

    first, second, third = done_syncs(checkout)[:3]
    assert {**first, "at": ""} == {"at": "", "provider": "simulated", "published": 2, "failed": {}}
    at = [parse_instant(each["at"]) for each in (first, second, third)]
    # On a busy machine a sync may be skipped, because the one before it still runs.
    assert all(0.9 < (after - before).total_seconds() < 10 for before, after in pairwise(at))
    published = read_events(broker, queue, 4)
    assert [event.symbol for event in published] == ["AAPL", "MSFT", "AAPL", "MSFT"]
    assert published[0].as_of == at[0].replace(microsecond=0)

    for noise in ("Traceback", "Warning", "WARNING", "ERROR", "deprecat", "superuser"):
        assert noise not in output
    assert not list(checkout.glob("celerybeat*"))


def test_a_sync_that_no_worker_took_in_time_is_not_run_late(
    start: Start, checkout: Path, broker: BrokerAddress
) -> None:
    declare(broker)
    with start(*CELERY, "beat", "--loglevel=info") as beat:
        until(lambda: beat.output.count("sending producer.sync") >= 3, "three syncs to be sent")
        # A sync expires after one second, so the queue is looked at while beat goes on sending.
        until(lambda: waiting(broker, "celery.sync"), "a sync in the queue")
        assert beat.stop() == 0
    until(lambda: waiting(broker, "celery.sync") == 0, "the last one to expire")
    stopped = utc_now()
    with start(SCHEDULE="1h") as worker:
        worker.wait_for("ready.")
        until(lambda: results(checkout), "the worker's own first sync")
        assert worker.stop() == 0
    assert [parse_instant(each["at"]) > stopped for each in results(checkout)] == [True]


def test_a_retry_publishes_what_was_not_confirmed_under_the_ids_it_had(
    start: Start, checkout: Path, broker: BrokerAddress
) -> None:
    first = declare(broker, "stock.AAPL.price", name="first")
    with start(SCHEDULE="1h") as worker:
        until(lambda: results(checkout, "RETRY"), "the sync to be tried again")
        second = declare(broker, "stock.MSFT.price", name="second")
        until(lambda: results(checkout), "the retry")
        assert worker.stop() == 0
    [outcome] = results(checkout)
    assert (outcome["published"], outcome["failed"]) == (2, {})
    [aapl], [msft] = read_events(broker, first, 1), read_events(broker, second, 1)
    assert aapl.as_of == msft.as_of == parse_instant(outcome["at"]).replace(microsecond=0)
    assert msft.id == stock_data_id("simulated", "MSFT", aapl.as_of)
    assert waiting(broker, first) == 0


def test_a_sync_whose_process_is_killed_is_done_again_as_of_the_same_instant(
    start_fresh: Start, checkout: Path, broker: BrokerAddress
) -> None:
    queue = declare(broker)
    pipe = checkout / "prices.csv"
    os.mkfifo(pipe)  # a sync that reads it hangs until somebody writes
    at = format_instant(utc_now())
    with start_fresh(*CELERY, "worker", PROVIDER="replay,simulated", REPLAY_FILE=str(pipe), SCHEDULE="1h") as worker:
        send(broker, checkout, "--kwargs", json.dumps({"at": at}))
        until(lambda: have_open(checkout / "var" / "sync.lock", set(children(checkout))), "the sync to begin")
        killed = set(children(checkout)) - {str(worker.pid)}
        for child in killed:
            os.kill(int(child), signal.SIGKILL)
        until(lambda: not killed & set(children(checkout)), "its process to go")
        with pipe.open("w") as file:
            file.write("date,symbol,close\n2020-01-02,AAPL,1\n")
        until(lambda: results(checkout), "the sync, done again")
        assert worker.stop() == 0
    assert results(checkout) == [{"at": at, "provider": "replay,simulated", "published": 2, "failed": {}}]
    aapl, msft = read_events(broker, queue, 2)
    assert (aapl.provider, msft.provider) == ("replay", "simulated")
    assert msft.id == stock_data_id("simulated", "MSFT", parse_instant(at).replace(microsecond=0))


def test_a_sync_that_finds_another_running_is_skipped(start: Start, checkout: Path, broker: BrokerAddress) -> None:
    queue = declare(broker)
    with sync_lock(checkout / "var") as held, start() as worker:
        assert held
        until(lambda: len(results(checkout)) >= 2, "two syncs")
        assert {each["skipped"] for each in results(checkout)} == {"another sync is running"}
        assert waiting(broker, queue) == 0
        assert worker.stop() == 0


def test_a_second_beat_stands_by_and_takes_over(start_fresh: Start, broker: BrokerAddress) -> None:
    beat = (*CELERY, "beat", "--loglevel=info")
    with start_fresh(*beat, SCHEDULE="1h") as first, start_fresh(*beat, SCHEDULE="1h") as second:
        until(lambda: "standing by" in first.output + second.output, "one of them to stand by")
        leader, standby = (second, first) if "standing by" in first.output else (first, second)
        until(lambda: waiting(broker, "celery.sync") == 1, "the first sync")
        assert "sending" not in standby.output
        leader.stop(signal.SIGKILL)
        standby.wait_for("sending producer.sync")
        until(lambda: waiting(broker, "celery.sync") == 2, "the second sync")
        assert standby.stop() == 0


def test_a_worker_that_is_killed_leaves_no_beat_behind(
    start_fresh: Start, checkout: Path, broker: BrokerAddress
) -> None:
    declare(broker)
    with start_fresh() as worker:
        until(lambda: results(checkout), "a sync")
        assert len(children(checkout)) >= 4
        worker.send(signal.SIGKILL)
        worker.wait()
        until(lambda: not children(checkout), "its children to go")


def test_a_crontab_waits_for_its_minute(start: Start, checkout: Path) -> None:
    with start(*CELERY, "beat", "--loglevel=info", SCHEDULE="0 0 1 1 *") as beat:
        until(lambda: have_open(checkout / "var" / "beat.lock", {str(beat.pid)}), "it to lead")
        time.sleep(1.5)  # longer than from one tick to the next
        assert "sending" not in beat.output
        assert beat.stop() == 0


def test_worker_and_beat_come_back_with_the_broker(start: Start, checkout: Path, broker: BrokerAddress) -> None:
    declare(broker)
    with proxy(broker) as between, start(AMQP_URL=between.address.url()) as worker:
        until(lambda: results(checkout), "a sync")
        between.cut()
        cut = utc_now()
        until(lambda: any(parse_instant(each["at"]) > cut for each in results(checkout)), "a sync after the cut")
        assert worker.stop() == 0
        assert "Traceback" not in worker.output


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"SCHEDULE": "5 minutes"}, "stockwire: STOCKWIRE_SCHEDULE: "),
        ({"SYMBOL": "AAPL"}, "stockwire: STOCKWIRE_SYMBOL is not a setting of Stockwire"),
        ({"PROVIDER": "yahooo"}, "stockwire: STOCKWIRE_PROVIDER: 'yahooo' is not a provider"),
        ({"PROVIDER": "replay"}, "stockwire: STOCKWIRE_REPLAY_FILE is not set"),
        ({"RESULTS_URL": "sqlite:////proc/version"}, "stockwire: database sqlite:////proc/version "),
        ({"AMQP_URL": "WRONG"}, "refused user 'guest'; check user and password"),
    ],
)
def test_a_setting_that_cannot_be_used_is_one_line(
    start: Start, broker: BrokerAddress, settings: dict[str, str], line: str
) -> None:
    if "AMQP_URL" in settings:
        settings = {"AMQP_URL": broker.url().replace("guest@", "wrong@")}
    with start(**settings) as worker:
        assert worker.wait() == 1
        assert line in worker.output
        assert len(worker.output.splitlines()) == 1
        assert "wrong" not in worker.output


def test_a_beat_of_its_own_ends_where_it_is_refused(start: Start, broker: BrokerAddress) -> None:
    with start(*CELERY, "beat", AMQP_URL=broker.url().replace("guest@", "wrong@")) as beat:
        assert beat.wait() == 1
        assert "refused user 'guest'; check user and password" in beat.output
        assert "Traceback" not in beat.output


def test_the_worker_answers_a_ping_and_obeys_no_other_application(checkout: Path, broker: BrokerAddress) -> None:
    queue = declare(broker)
    ours = {"STOCKWIRE_AMQP_URL": broker.url(), "STOCKWIRE_SYMBOLS": "AAPL,MSFT", "STOCKWIRE_SCHEDULE": "1h"}
    environment = {**FOREIGN, **ours, "PYTHONPATH": ""}
    with running(*WORKER, environment=environment, folder=checkout) as worker:
        worker.wait_for("ready.")
        for exchange in ("celery", "stockwire"):
            other = Celery("other", broker=broker.url(), set_as_current=False)
            other.conf.control_exchange = exchange
            other.control.shutdown()
        worker.wait_for("celery control shutdown was ignored: this worker answers only ping")
        with channel_to(broker) as channel:
            for body in (b"\x80\x04.", b"", b"[" * 5000, b" " * 5 * 2**20, json.dumps({"method": ["ping"]}).encode()):
                headers = {"clock": "late", "expires": "never", "compression": "application/x-gzip"}
                properties = {"content_type": "application/x-python-serialize", "headers": headers}
                channel.basic.publish(body, "", "stockwire.pidbox", properties)
        until(lambda: worker.output.count("a control message was dropped") == 5, "the malformed ones to be dropped")
        with running(*CELERY, "inspect", "ping", environment=environment, folder=checkout) as inspect:
            assert inspect.wait() == 0
            assert "pong" in inspect.output
            assert "1 node online" in inspect.output
        until(lambda: results(checkout), "a sync")
        assert len(read_events(broker, queue, 2)) == 2
        assert worker.stop() == 0
    assert worker.output.count("was ignored") == 1


def test_results_of_last_week_are_forgotten(start: Start, checkout: Path, broker: BrokerAddress) -> None:
    declare(broker)
    with start():
        until(lambda: len(results(checkout)) >= 1, "the first result")
        with contextlib.closing(sqlite3.connect(checkout / "var" / "celery.db", timeout=10)) as database:
            database.execute("UPDATE celery_taskmeta SET date_done = datetime('now', '-8 days'), status = 'OLD'")
            database.commit()
        until(lambda: results(checkout), "another result")
        until(lambda: not results(checkout, "OLD"), "the old one to be removed")
