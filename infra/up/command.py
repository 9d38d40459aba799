"""The command `stockwire up`: broker, producer, consumers and a live view in one terminal."""

import logging
import os
import queue
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from infra.other_consumers import describe_other_consumers
from infra.up.broker_supervisor import BrokerSupervisor
from infra.up.event_feed import event_feed
from infra.up.folders import BROKER_FOLDER, BROKER_LOG, LOG_FOLDER, PROCESS_FILES, UP_PID
from infra.up.log_files import rotate_logs
from infra.up.orphans import end_orphans
from infra.up.private_users import PrivateUsers
from infra.up.rabbitmq import PrivateBroker, private_broker
from infra.up.stack import CONSUMERS, PRODUCER, Stack
from infra.up.sync_monitor import SyncMonitor
from infra.up.view import EventSummary, open_view
from infra.up.watchdog import Watchdog
from infra.up.web import COMMAND, WEB, WebProcess, prepare_web
from producer.plan.command import plan_warning
from producer.providers.registry import make_providers
from producer.watch_list import watch_list
from shared.cli.logs import set_up_logs
from shared.cli.options import DurationOption
from shared.cli.output import print_lines
from shared.errors import BrokerUnavailable, ProcessError, SettingsError
from shared.events import Event
from shared.locks import file_lock
from shared.market_calendar import load_market_calendar
from shared.messaging.address import BrokerAddress
from shared.messaging.amqp.connection import connect, connected
from shared.messaging.amqp.queues import count_consumers
from shared.messaging.topology import queue_name
from shared.setting_names import PREFIX
from shared.settings import ROOT, UP_LOCK, UP_SETTINGS, VAR, Settings, load_settings, write_running
from shared.signals import Stop, stop_on_signals
from shared.times import utc_now

# Seconds.
_REFRESH_INTERVAL = 0.25
_READY_TIMEOUT = 30


def up(
    provider: Annotated[
        str | None, typer.Option(help="Providers, comma-separated. Default: STOCKWIRE_PROVIDER.")
    ] = None,
    symbols: Annotated[
        str | None, typer.Option(metavar="A,B", help="Symbols to watch. Default: STOCKWIRE_SYMBOLS.")
    ] = None,
    every: Annotated[
        str | None, typer.Option(metavar="5s", help="Interval or crontab of syncs. Default: STOCKWIRE_SCHEDULE.")
    ] = None,
    duration: DurationOption = None,
) -> None:
    """Run the whole pipeline: producer, history and alerts consumers, and a broker if none answers."""
    options = {"PROVIDER": provider, "SYMBOLS": symbols, "SCHEDULE": every}
    overrides = {PREFIX + name: value for name, value in options.items() if value is not None}
    set_up_logs("up", logging.WARNING)
    with stop_on_signals() as stop, _only_instance():
        settings = load_settings({**os.environ, **overrides})
        make_providers(settings, VAR)  # raises for wrong settings before any process starts
        watch_list(settings, VAR)
        closed_hint = _closed_market_hint(settings)
        write_running(overrides)
        users = PrivateUsers()
        with _watchdog() as watchdog, _broker(settings, users) as private:
            if private:
                settings = replace(settings, amqp_url=private.address)
                overrides[f"{PREFIX}AMQP_URL"] = private.address.url()
                write_running(overrides)
            web = _prepare_web(settings)
            own = dict(users.environments(private.address)) if private else {}
            if web:
                own[WEB] = {**own.get(WEB, {}), **web.environment}
            with Stack(LOG_FOLDER, overrides, own) as stack:
                broker = BrokerSupervisor(private, CONSUMERS, stack.last_output_line) if private else None
                _run(stack, settings, closed_hint, broker, watchdog, stop, duration, web)


@contextmanager
def _only_instance() -> Iterator[None]:
    """Hold the lock of `up`, and delete its settings at the end. Raises ProcessError if another `up` runs."""
    with file_lock(UP_LOCK, wait=1) as locked:
        if not locked:
            raise ProcessError("./stockwire up already runs in this folder: stop it first")
        # Left behind by an `up` that was killed.
        UP_SETTINGS.unlink(missing_ok=True)
        UP_PID.write_text(str(os.getpid()))
        try:
            yield
        finally:
            UP_SETTINGS.unlink(missing_ok=True)
            UP_PID.unlink(missing_ok=True)


def _prepare_web(settings: Settings) -> WebProcess | None:
    """Return the process that serves the page, or None if there is to be none, or its address is in use."""
    if settings.http is None:
        return None
    try:
        return prepare_web(settings)
    except (ProcessError, SettingsError) as error:
        _print(f"there is no page and no API: {error}")
        return None


@contextmanager
def _watchdog() -> Iterator[Watchdog]:
    """End what an earlier `up` left running, and yield a watchdog that does so if this `up` is killed."""
    for file in PROCESS_FILES:
        end_orphans(file)
    with Watchdog(PROCESS_FILES, LOG_FOLDER / "watchdog.log") as watchdog:
        yield watchdog


@contextmanager
def _broker(settings: Settings, users: PrivateUsers) -> Iterator[PrivateBroker | None]:
    """Yield a private node, or None if the configured broker answers."""
    try:
        connect(settings.amqp_url, "up").close_gracefully()
    except BrokerUnavailable:
        _print(f"RabbitMQ does not answer at {settings.amqp_url}; starting a private one in {_relative(BROKER_FOLDER)}")
        with private_broker(BROKER_FOLDER, watched=True, users=users) as private:
            yield private
    else:
        yield None


def _closed_market_hint(settings: Settings) -> str:
    """Return why no prices may come for hours, or an empty string while the market is open. Raises SettingsError."""
    if not settings.market:
        return ""
    market, now = load_market_calendar(settings.market), utc_now()
    if market.is_open(now):
        return ""
    return f"{market.describe(now)}, and syncs wait until then; ./stockwire sync fetches prices now"


def _run(
    stack: Stack,
    settings: Settings,
    closed_hint: str,
    broker: BrokerSupervisor | None,
    watchdog: Watchdog,
    stop: Stop,
    duration: timedelta | None,
    web: WebProcess | None,
) -> None:
    _print(f"broker {settings.amqp_url}, history {settings.history_url}, logs {_relative(LOG_FOLDER)}")
    symbols = watch_list(settings, VAR)
    _print_removed_symbols(settings, symbols)
    _print_other_consumers(settings.amqp_url)
    # Consumers first: the broker returns an event that no queue is bound for.
    stack.start(CONSUMERS)
    if not _wait_for_consumers(stack, broker, settings.amqp_url, stop):
        return
    if web:
        stack.start({WEB: COMMAND}, optional=True)
        for notice in web.notices:
            _print(notice)
    title = f"{', '.join(settings.provider)}, every {settings.schedule}"
    summary, monitor = EventSummary(), SyncMonitor(settings.results_url)
    with event_feed(settings) as events, open_view(title) as view:
        stack.start(PRODUCER)
        view.print_notice(f"syncing {', '.join(symbols)} from {title}")
        for hint in filter(None, (closed_hint, plan_warning(settings, VAR))):
            view.print_notice(hint)
        deadline = time.monotonic() + duration.total_seconds() if duration else None
        while not (stop.requested or (deadline and time.monotonic() >= deadline)):
            for event in _next_events(events):
                summary.add(event)
                view.show_event(event)
            view.refresh(summary)
            for notice in [*_restart_crashed(stack, broker), *monitor.poll(), *rotate_logs([*stack.logs, BROKER_LOG])]:
                view.print_notice(notice)
            watchdog.restart_if_ended()
    _print(f"stopping after {summary}")


def _print_removed_symbols(settings: Settings, symbols: Sequence[str]) -> None:
    if removed := [symbol for symbol in settings.symbols if symbol not in symbols]:
        _print(f"not watched, because ./stockwire watch remove removed them: {', '.join(removed)}")


def _print_other_consumers(address: BrokerAddress) -> None:
    with connected(address, "up") as connection:
        if others := describe_other_consumers(connection, own=0):
            _print(others)


def _next_events(events: "queue.SimpleQueue[Event]") -> Iterator[Event]:
    """Yield events as they arrive, until the next refresh of the view is due."""
    deadline = time.monotonic() + _REFRESH_INTERVAL
    with suppress(queue.Empty):
        while (left := deadline - time.monotonic()) > 0:
            yield events.get(timeout=left)


def _restart_crashed(stack: Stack, broker: BrokerSupervisor | None) -> list[str]:
    return [*(broker.restart_if_needed() if broker else ()), *stack.restart_crashed()]


def _wait_for_consumers(stack: Stack, broker: BrokerSupervisor | None, address: BrokerAddress, stop: Stop) -> bool:
    """Wait until each consumer has its queue, and return False if a stop is requested.

    Raises ProcessError after 30 s, counted from the last restart of a private node.
    """
    deadline = time.monotonic() + _READY_TIMEOUT
    while not _all_consumed(address):
        if broker and (notices := broker.restart_if_needed()):
            _print(notices[0])
            deadline = time.monotonic() + _READY_TIMEOUT
        stack.restart_crashed()
        if time.monotonic() > deadline:
            raise ProcessError(f"no consumers within {_READY_TIMEOUT} s: see {_relative(LOG_FOLDER)}")
        if stop.wait(0.2):
            return False
    return True


def _all_consumed(address: BrokerAddress) -> bool:
    with connected(address, "up") as connection:
        return all(count_consumers(connection, queue_name(name)) for name in CONSUMERS)


def _relative(path: Path) -> str:
    """Return the path as text, relative to the project's folder."""
    return str(path.relative_to(ROOT))


def _print(notice: str) -> None:
    print_lines(f"stockwire: {notice}")
