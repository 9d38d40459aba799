"""Market hours in `celery -A producer beat` and `./stockwire`, at any time of the day."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from producer.market_hours import LastSync
from producer.market_service import sync_lock
from shared.market_calendar import MarketCalendar, load_market_calendar
from shared.messaging.address import BrokerAddress
from shared.times import utc_now
from tests.celery_worker import CELERY, results
from tests.forked_processes import forked, stockwire
from tests.processes import Process, running, until
from tests.queues import declare, waiting

ALWAYS_OPEN = "24/7"
BEAT = (*CELERY, "beat", "--loglevel=info")

Start = Callable[..., AbstractContextManager[Process]]


@pytest.fixture(scope="module")
def closed() -> MarketCalendar:
    """Return a market that is closed now and for the next ten minutes."""
    # Every worker of pytest imports this module, and only one runs its tests.
    from exchange_calendars import get_calendar_names  # type: ignore[import-untyped]

    now = utc_now()
    for name in ("XNYS", "XTKS", "XHKG", *get_calendar_names(include_aliases=False)):
        market = load_market_calendar(name)
        if not market.is_open(now) and market.next_open(now) - now > timedelta(minutes=10):
            return market
    raise AssertionError("no market is closed")


@pytest.fixture
def start(checkout: Path, broker: BrokerAddress) -> Start:
    """Start a process in the checkout, with one sync per second to send."""

    def started(market: str, *command: str) -> AbstractContextManager[Process]:
        settings = {"AMQP_URL": broker.url(), "SYMBOLS": "AAPL", "SCHEDULE": "1s", "MARKET": market}
        environment = {f"STOCKWIRE_{name}": value for name, value in settings.items()} | {"PYTHONPATH": ""}
        run = running if "up" in command else forked
        return run(*command, environment=environment, folder=checkout)

    return started


def test_beat_syncs_on_schedule_while_the_market_is_open(start: Start, broker: BrokerAddress) -> None:
    with start(ALWAYS_OPEN, *BEAT) as beat:
        until(lambda: beat.output.count("sending producer.sync") >= 3, "three syncs to be sent")
        # A sync expires after one second, so the queue is looked at while beat goes on sending.
        until(lambda: waiting(broker, "celery.sync"), "a sync in the queue")
        assert beat.stop() == 0
    assert "closed" not in beat.output


def test_beat_sends_nothing_while_the_market_is_closed(start: Start, closed: MarketCalendar, checkout: Path) -> None:
    with start(closed.name, *BEAT) as beat:
        beat.wait_for(f"{closed.describe(utc_now())}: no sync is sent before")
        began = utc_now()
        until(lambda: utc_now() - began > timedelta(seconds=2.5), "two more syncs to come due")
        assert beat.stop() == 0
    assert "sending" not in beat.output
    assert beat.output.count("is closed until") == 1
    assert LastSync(checkout / "var", closed.name).read() is not None


def test_a_close_that_beat_has_missed_is_synced_as_soon_as_a_sync_that_runs_has_ended(
    start: Start, closed: MarketCalendar, checkout: Path, broker: BrokerAddress
) -> None:
    queue = declare(broker)
    missed = closed.last_close(utc_now())
    LastSync(checkout / "var", closed.name).write(missed - timedelta(minutes=1))
    with ExitStack() as other:
        assert other.enter_context(sync_lock(checkout / "var"))
        with start(closed.name, *CELERY, "worker", "--beat", "--loglevel=info") as worker:
            until(lambda: "another sync is running" in worker.output, "the sync to wait for another turn")
            assert not results(checkout)
            other.close()
            until(lambda: results(checkout), "the sync to be done")
            assert worker.stop() == 0
    [outcome] = results(checkout)
    assert (outcome["published"], outcome["failed"]) == (1, {})
    assert waiting(broker, queue) == 1
    assert worker.output.count("sending producer.sync") == 1


def test_up_says_that_prices_wait_and_sync_asks_all_the_same(
    start: Start, closed: MarketCalendar, checkout: Path, broker: BrokerAddress
) -> None:
    with start(closed.name, str(checkout / "stockwire"), "up") as up:
        up.wait_for(f"{closed.describe(utc_now())}, and syncs wait until then; ./stockwire sync fetches prices now", 60)
        settings = {"STOCKWIRE_AMQP_URL": broker.url(), "STOCKWIRE_MARKET": closed.name}
        assert stockwire("sync", "MSFT", environment=settings, folder=checkout).returncode == 0
        up.wait_for("MSFT")
        assert up.stop() == 0
    assert not results(checkout)


def test_doctor_says_what_the_market_does(start: Start, closed: MarketCalendar) -> None:
    with start(closed.name, "./stockwire", "doctor") as doctor:
        assert doctor.wait() == 0
    assert f"ok     market    {closed.describe(utc_now())}" in doctor.output


@pytest.mark.parametrize("command", [("worker",), ("beat",), ("./stockwire", "up"), ("./stockwire", "doctor")])
def test_a_market_that_nobody_knows_is_one_line(start: Start, checkout: Path, command: tuple[str, ...]) -> None:
    words = command if command[0] == "./stockwire" else (*CELERY, *command)
    with start("XNYE", *words) as process:
        assert process.wait() == 1
    [line] = [line for line in process.output.splitlines() if "XNYE" in line and "STOCKWIRE_MARKET=" not in line]
    assert "STOCKWIRE_MARKET: 'XNYE' is not a known market: use one such as " in line
    assert "XNYS" in line
    assert "Traceback" not in process.output
