"""Each process as its own RabbitMQ user: it does all its work, and may touch nothing that is not its own."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from amqpstorm.channel import Channel
from amqpstorm.exception import AMQPChannelError

from infra.permissions.definitions import topology_definitions
from infra.permissions.users import process_users
from infra.up.rabbitmq import PrivateBroker
from shared.messaging.address import BrokerAddress
from shared.messaging.messages import Message
from shared.messaging.permissions import Permissions, publisher_permissions
from tests.broker_users import BrokerUsers
from tests.forked_processes import forked, stockwire
from tests.processes import Process, running, until
from tests.queues import channel_to, declare, waiting
from tests.queues import publish as publish_raw
from tests.shared_rabbitmq import evaluate

CELERY = ("python", "-m", "celery", "-A", "producer")
COMMANDS = {
    "history": ("python", "-m", "consumers", "history"),
    "alerts": ("python", "-m", "consumers", "alerts"),
    "worker": (*CELERY, "worker", "--loglevel=info"),
    "beat": (*CELERY, "beat", "--loglevel=info"),
}
READY = {"history": "consuming", "alerts": "consuming", "worker": "ready.", "beat": "beat: Starting"}


@dataclass(frozen=True)
class Site:
    """A virtual host with the topology and a user per process."""

    users: BrokerUsers
    urls: dict[str, BrokerAddress]
    folder: Path

    def environment(self, process: str) -> dict[str, str]:
        return {
            "STOCKWIRE_AMQP_URL": self.urls[process].setting(),
            "STOCKWIRE_HISTORY_URL": f"sqlite:///{self.folder / 'history.db'}",
            "STOCKWIRE_ALERTS_URL": f"sqlite:///{self.folder / 'alerts.db'}",
            "STOCKWIRE_RESULTS_URL": f"sqlite:///{self.folder / 'celery.db'}",
            "STOCKWIRE_SCHEDULE": "1s",
            "STOCKWIRE_SYMBOLS": "AAPL",
        }


@pytest.fixture
def site(rabbitmq: PrivateBroker, broker: BrokerAddress, tmp_path: Path) -> Site:
    users = BrokerUsers(rabbitmq, broker)
    file = tmp_path / "topology.json"
    file.write_text(json.dumps(topology_definitions(broker.virtual_host)))
    # Like `rabbitmqctl import_definitions`, which takes half a second.
    evaluate(rabbitmq, f'{{ok, Read}} = file:read_file("{file}"), rabbit_definitions:import_raw(Read).')
    names = {user.process: f"{broker.virtual_host}-{user.process}" for user in process_users()}
    urls = {user.process: users.add(user.permissions, names[user.process]) for user in process_users()}
    return Site(users, urls, tmp_path)


@pytest.fixture
def checkout_site(site: Site, checkout: Path) -> Iterator[tuple[Site, dict[str, Process]]]:
    with ExitStack() as stack:
        started = {}
        for name, command in COMMANDS.items():
            started[name] = stack.enter_context(forked(*command, environment=site.environment(name), folder=checkout))
            started[name].wait_for(READY[name])
        yield site, started


def test_every_process_does_all_its_work_as_its_own_user(
    checkout_site: tuple[Site, dict[str, Process]], checkout: Path
) -> None:
    site, started = checkout_site
    listener = declare(site.users.administrator, "alert.#", name="listener")
    operator = site.environment("operator")
    added = stockwire("rules", "add", "any", "AAPL above 1", environment=operator, folder=checkout)
    assert added.returncode == 0, added.stderr
    until(lambda: waiting(site.users.administrator, listener), "an alert")
    latest = stockwire("latest", "AAPL", environment=operator, folder=checkout)
    assert "AAPL" in latest.stdout
    for name, process in started.items():
        assert "ACCESS_REFUSED" not in process.output, f"{name}:\n{process.output}"
        assert process.stop() == 0, process.output


def test_the_operator_runs_the_whole_pipeline_and_the_commands_beside_it(site: Site, checkout: Path) -> None:
    """With a broker of one's own, `up` starts all its processes as one user."""
    environment = site.environment("operator")
    with running(str(checkout / "stockwire"), "up", environment=environment, folder=checkout) as up:
        up.wait_for("AAPL", 60)
        assert stockwire("sync", "MSFT", environment=environment, folder=checkout).returncode == 0
        up.wait_for("MSFT")
        assert stockwire("dead", "list", "history", environment=environment, folder=checkout).returncode == 0
        assert up.stop() == 0
    for log in (checkout / "var" / "log").glob("*.log"):
        assert "refused" not in log.read_text(), log


Deed = Callable[[Channel], object]
PRICES, MARKET, DEAD = "stockwire.history", "market_data", "market_data.dead"


def publish(exchange: str, key: str) -> Deed:
    """Publish with confirms, so that a refusal arrives before the deed counts as done."""

    def deed(channel: Channel) -> None:
        channel.confirm_deliveries()
        channel.basic.publish(b"?", key, exchange)

    return deed


FORBIDDEN: dict[str, dict[str, Deed]] = {
    "history": {
        "publish a price": publish(MARKET, "stock.AAPL.price"),
        "publish an alert": publish(MARKET, "alert.AAPL.above"),
        "publish to a queue": publish("", "stockwire.alerts"),
        "start a sync": publish("celery.sync", "celery.sync"),
        "read another queue": lambda channel: channel.basic.consume(queue="stockwire.alerts"),
        "read alerts": lambda channel: channel.queue.bind(PRICES, MARKET, "alert.#"),
        "read everything": lambda channel: channel.queue.bind(PRICES, MARKET, "#"),
        "read dead letters of others": lambda channel: channel.queue.bind(PRICES, DEAD, "stockwire.alerts"),
        "purge its dead letters": lambda channel: channel.queue.purge(f"{PRICES}.dead"),
        "delete the exchange": lambda channel: channel.exchange.delete(MARKET),
        "delete another queue": lambda channel: channel.queue.delete("stockwire.alerts"),
    },
    "alerts": {
        "publish a price": publish(MARKET, "stock.AAPL.price"),
        "publish to a queue": publish("", PRICES),
        "read another queue": lambda channel: channel.basic.get(PRICES),
        "read past prices": lambda channel: channel.queue.bind("stockwire.alerts", MARKET, "stock.*.backfill"),
        "delete the exchange": lambda channel: channel.exchange.delete(DEAD),
    },
    "worker": {
        "publish an alert": publish(MARKET, "alert.AAPL.above"),
        "publish a past price": publish(MARKET, "stock.AAPL.backfill"),
        "publish a dead letter": publish(DEAD, PRICES),
        "publish to a queue": publish("", PRICES),
        "read prices": lambda channel: channel.basic.get(PRICES),
        "delete the exchange": lambda channel: channel.exchange.delete(MARKET),
    },
    "beat": {
        "publish a price": publish(MARKET, "stock.AAPL.price"),
        "publish to a queue": publish("", "celery.sync"),
        "read the tasks": lambda channel: channel.basic.get("celery.sync"),
        "delete the queue of tasks": lambda channel: channel.queue.delete("celery.sync"),
    },
    "operator": {
        "delete the exchange": lambda channel: channel.exchange.delete(MARKET),
        "delete the exchange of dead letters": lambda channel: channel.exchange.delete(DEAD),
    },
}


def test_no_user_may_touch_what_is_not_its_own(site: Site) -> None:
    done = []
    for process, deeds in FORBIDDEN.items():
        for name, deed in deeds.items():
            try:
                with channel_to(site.urls[process]) as channel:
                    deed(channel)
                done.append(f"{process} may {name}")
            except AMQPChannelError as error:
                if "ACCESS_REFUSED" not in str(error):
                    raise
    assert done == []


def test_an_administrator_may_do_all_of_it(site: Site) -> None:
    """A deed that fails for another reason would prove nothing about permissions."""
    for deeds in FORBIDDEN.values():
        for name, deed in deeds.items():
            if not name.startswith(("delete", "purge")):
                with channel_to(site.users.administrator) as channel:
                    deed(channel)


@pytest.mark.parametrize("process", ["worker", "beat"])
def test_a_worker_or_beat_that_is_refused_ends_with_the_command(process: str, site: Site, checkout: Path) -> None:
    address = site.users.add(Permissions(publishes=(".*",), binds=(".*",)))
    environment = {**site.environment(process), "STOCKWIRE_AMQP_URL": address.setting()}
    with forked(*COMMANDS[process], environment=environment, folder=checkout) as refused:
        assert refused.wait() == 1
    assert "Traceback" not in refused.output
    line = next(line for line in refused.output.splitlines() if "refused user" in line)
    site.users.run_named_command(line)
    with forked(*COMMANDS[process], environment=environment, folder=checkout) as granted:
        granted.wait_for(READY[process])
        until(lambda: waiting(site.users.administrator, "celery.sync") or process == "worker", "a sync")
        assert "refused" not in granted.output


def test_a_worker_without_the_permission_to_answer_pings_syncs_all_the_same(site: Site, checkout: Path) -> None:
    tasks = ("celery\\.sync",)
    address = site.users.add(
        publisher_permissions("stock.*.price") | Permissions(configure=tasks, write=tasks, read=tasks)
    )
    queue = declare(site.users.administrator)
    environment = {**site.environment("worker"), "STOCKWIRE_AMQP_URL": address.setting()}
    with forked(*COMMANDS["worker"], "--beat", environment=environment, folder=checkout) as worker:
        worker.wait_for("celery inspect ping gets no answer from this worker: ")
        until(lambda: waiting(site.users.administrator, queue), "a price")
        assert worker.stop() == 0
    assert "Traceback" not in worker.output


@pytest.mark.parametrize(
    "words",
    [
        ("sync", "AAPL"),
        ("replay", "prices.csv"),
        ("replay", "prices.csv", "--backfill"),
        ("consume", "tail"),
        ("consume", "history"),
        ("dead", "list", "history"),
    ],
    ids=" ".join,
)
def test_a_refused_command_ends_with_one_line_and_the_command_that_mends_it(
    words: tuple[str, ...], site: Site, checkout: Path
) -> None:
    (checkout / "prices.csv").write_text("date,symbol,close\n2026-01-02,AAPL,1.5\n")
    publish_raw(site.users.administrator, Message("market_data.dead", "stockwire.history", b"?", {}))
    address = site.users.add(Permissions(publishes=(".*",), binds=(".*",)))
    environment = {**site.environment("operator"), "STOCKWIRE_AMQP_URL": address.setting()}
    done = stockwire(*words, environment=environment, folder=checkout)
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if "refused user" in line]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    site.users.run_named_command(lines[0])
    if words[0] != "consume":
        assert stockwire(*words, environment=environment, folder=checkout).returncode == 0
