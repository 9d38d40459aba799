"""`stockwire up`: the whole pipeline in one terminal."""

import logging
import os
import queue
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from infra.up.orphans import kill_orphans
from infra.up.rabbitmq import LEADERS, PrivateBroker, private_broker
from infra.up.stack import CONSUMERS, PRODUCER, Stack
from infra.up.sync_monitor import SyncMonitor
from infra.up.view import PriceBoard, feed, view
from producer.plan.command import plan_warning
from producer.providers.registry import make_providers
from producer.watch_list import watch_list
from shared.cli.logs import set_up_logs
from shared.cli.options import Duration
from shared.errors import BrokerUnavailable, ProcessError
from shared.events import Event
from shared.locks import file_lock
from shared.market_calendar import load_market_calendar
from shared.messaging.address import BrokerAddress
from shared.messaging.amqp.connection import connect
from shared.messaging.amqp.queues import count_consumers
from shared.messaging.topology import queue_name
from shared.settings import PREFIX, ROOT, UP_LOCK, UP_SETTINGS, VAR, Settings, load_settings, write_running
from shared.signals import Stop, stop_on_signals
from shared.times import utc_now

BROKER_FOLDER = VAR / "rabbitmq"

_TICK = 0.25
_READY_TIMEOUT = 30


def up(
    provider: Annotated[str | None, typer.Option(help="Where prices come from; STOCKWIRE_PROVIDER otherwise.")] = None,
    symbols: Annotated[
        str | None, typer.Option(metavar="A,B", help="The watch list; STOCKWIRE_SYMBOLS otherwise.")
    ] = None,
    every: Annotated[
        str | None, typer.Option(metavar="5s", help="How often to sync; STOCKWIRE_SCHEDULE otherwise.")
    ] = None,
    duration: Duration = None,
) -> None:
    """Run the pipeline: a broker if none answers, the producer, the history and alerts consumers."""
    options = {"PROVIDER": provider, "SYMBOLS": symbols, "SCHEDULE": every}
    overrides = {PREFIX + name: value for name, value in options.items() if value is not None}
    set_up_logs("up", logging.WARNING)
    with stop_on_signals() as stop, _alone():
        settings = load_settings({**os.environ, **overrides})
        make_providers(settings, VAR)  # for what is wrong with their settings, before anything is started
        watch_list(settings, VAR)
        hours = _hours(settings)
        write_running(overrides)
        kill_orphans(BROKER_FOLDER / LEADERS)
        with _broker(settings) as private:
            if private:
                settings = replace(settings, amqp_url=private.address)
                overrides[f"{PREFIX}AMQP_URL"] = private.address.url()
                write_running(overrides)
            with Stack(VAR / "log", overrides) as stack:
                _run(stack, settings, hours, private, stop, duration)


@contextmanager
def _alone() -> Iterator[None]:
    """As the only `up` here, whose settings are seen for no longer than it runs. Raises ProcessError where one does."""
    with file_lock(UP_LOCK, wait=1) as mine:
        if not mine:
            raise ProcessError("./stockwire up runs here already: end that one first")
        # What one that was killed has left behind.
        UP_SETTINGS.unlink(missing_ok=True)
        try:
            yield
        finally:
            UP_SETTINGS.unlink(missing_ok=True)


@contextmanager
def _broker(settings: Settings) -> Iterator[PrivateBroker | None]:
    """None where the configured broker answers, else a node of our own."""
    try:
        connect(settings.amqp_url, "up").close_gracefully()
    except BrokerUnavailable:
        _say(
            f"RabbitMQ does not answer at {settings.amqp_url}; starting a private one (data in {_below(BROKER_FOLDER)})"
        )
        with private_broker(BROKER_FOLDER) as private:
            yield private
    else:
        yield None


def _hours(settings: Settings) -> str:
    """Why there may be no prices for long, where a market is set that is closed. Raises SettingsError."""
    if not settings.market:
        return ""
    market, now = load_market_calendar(settings.market), utc_now()
    if market.is_open(now):
        return ""
    return f"{market.describe(now)}, and syncs wait for that; ./stockwire sync asks at once"


def _run(
    stack: Stack, settings: Settings, hours: str, private: PrivateBroker | None, stop: Stop, duration: timedelta | None
) -> None:
    _say(f"broker {settings.amqp_url}, history {settings.history_url}, logs {_below(VAR / 'log')}")
    symbols = watch_list(settings, VAR)
    if gone := [symbol for symbol in settings.symbols if symbol not in symbols]:
        _say(f"left out, since ./stockwire watch remove took it off the list: {', '.join(gone)}")
    # Consumers first: an event that finds no queue is refused.
    stack.start(CONSUMERS)
    if not _wait_for_consumers(stack, settings.amqp_url, stop):
        return
    title = f"{', '.join(settings.provider)}, every {settings.schedule}"
    market, troubles = PriceBoard(), SyncMonitor(settings.results_url)
    with feed(settings) as events, view(title) as screen:
        stack.start(PRODUCER)
        screen.say(f"syncing {', '.join(symbols)} from {title}")
        for hint in filter(None, (hours, plan_warning(settings, VAR))):
            screen.say(hint)
        deadline = time.monotonic() + duration.total_seconds() if duration else None
        while not (stop.requested or (deadline and time.monotonic() >= deadline)):
            for event in _arrived(events):
                market.take(event)
                screen.show(event)
            screen.refresh(market)
            for notice in [*_revive(stack, private), *troubles.look()]:
                screen.say(notice)
    _say(f"ending; {market}")


def _arrived(events: "queue.SimpleQueue[Event]") -> Iterator[Event]:
    """What arrives within one tick, as it arrives: many events are shown at one go, and a flood ends with its tick."""
    deadline = time.monotonic() + _TICK
    with suppress(queue.Empty):
        while (left := deadline - time.monotonic()) > 0:
            yield events.get(timeout=left)


def _revive(stack: Stack, private: PrivateBroker | None) -> list[str]:
    notices = []
    if private and not private.running:
        notices.append("RabbitMQ ended; starting it again")
        private.stop()
        private.start()
    return notices + stack.revive()


def _wait_for_consumers(stack: Stack, address: BrokerAddress, stop: Stop) -> bool:
    """Until each consumer has its queue; False for a stop requested meanwhile. Raises ProcessError after 30 s."""
    deadline = time.monotonic() + _READY_TIMEOUT
    connection = connect(address, "up")
    try:
        while not all(count_consumers(connection, queue_name(name)) for name in CONSUMERS):
            stack.revive()
            if time.monotonic() > deadline:
                raise ProcessError(f"the consumers did not start within {_READY_TIMEOUT} s: see {_below(VAR / 'log')}")
            if stop.wait(0.2):
                return False
    finally:
        connection.close_gracefully()
    return True


def _below(path: Path) -> str:
    """A path as seen from the project's folder."""
    return str(path.relative_to(ROOT))


def _say(notice: str) -> None:
    print(f"stockwire: {notice}", flush=True)
