"""The command `stockwire doctor`, which checks all that the pipeline needs."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import typer

from consumers.alerts.databases import open_stored_alerts
from consumers.alerts.notifications.apprise import check_apprise_url
from consumers.alerts.notifications.target_store import read_targets
from consumers.alerts.notifications.targets import Target
from consumers.alerts.tables import SCHEMA as ALERTS
from consumers.history.tables import SCHEMA as HISTORY
from infra.database_checks import check_database
from infra.other_consumers import describe_other_consumers
from infra.up.install import INSTALL_OPTIONS, find_server
from infra.up.stack import CONSUMERS
from producer.providers.http.circuit_breaker import reset_circuit_breaker
from producer.providers.registry import make_provider
from producer.providers.replay import ReplayProvider
from producer.state import open_state
from producer.watch_list import watch_list
from shared.accounts import describe_limits
from shared.cli.output import print_coloured
from shared.database.engine import reading, writing
from shared.errors import BrokerUnavailable, ProviderError, SettingsError, StockwireError, StorageError
from shared.http_address import HttpAddress
from shared.locks import is_locked
from shared.market_calendar import load_market_calendar
from shared.messaging.amqp.connection import Connection, connected
from shared.messaging.amqp.queues import count_consumers, count_messages
from shared.messaging.topology import dead_queue_name, queue_name
from shared.prices import format_price
from shared.setting_names import PREFIX
from shared.settings import UP_LOCK, VAR, Settings, load_settings
from shared.times import format_duration, format_instant, utc_now

Check = Callable[[], Iterator[str]]


def doctor() -> None:
    """Check settings, broker, databases and providers; exits 1 if any check fails."""
    settings: Settings | None = None
    try:
        settings = load_settings()
    except StockwireError as error:
        _report("settings", fault=str(error))
    checks = _checks(settings) if settings else []
    results = [_passes(name, check) for name, check in checks]
    if not settings or not all(results):
        raise typer.Exit(1)


def _checks(settings: Settings) -> list[tuple[str, Check]]:
    databases = ((settings.history_url, HISTORY), (settings.alerts_url, ALERTS), (settings.results_url, None))
    return [
        ("settings", lambda: _check_settings(settings)),
        *([("market", lambda name=settings.market: _check_market(name))] if settings.market else []),
        ("broker", lambda: _check_broker(settings)),
        *(("database", lambda url=url, schema=schema: check_database(url, schema)) for url, schema in databases),
        ("targets", _check_targets),
        *(("provider", lambda name=name: _check_provider(name, settings)) for name in settings.provider),
    ]


def _passes(name: str, check: Check) -> bool:
    """Run a check, print its findings, and return True if it raised no StockwireError."""
    try:
        for finding in check():
            _report(name, finding)
    except StockwireError as error:
        _report(name, fault=str(error))
        return False
    return True


def _report(name: str, finding: str = "", fault: str = "") -> None:
    mark, colour = ("FAULT", "red") if fault else ("ok", "green")
    print_coloured(f"{mark:<5}", f"  {name:<8}  {fault or finding}", colour=colour)


def _check_settings(settings: Settings) -> Iterator[str]:
    for each in fields(settings):
        if each.name == "api_token":
            yield f"{PREFIX}{each.name.upper()} is {'set' if getattr(settings, each.name) else 'not set'}"
        elif each.name != "accounts":
            yield f"{PREFIX}{each.name.upper()}={_format_setting(getattr(settings, each.name))}"
    yield f"watch list: {', '.join(watch_list(settings, VAR))}"
    for name in settings.provider:
        if account := settings.accounts.get(name):
            yield f"{name}: {account.url}, {'with' if account.key else 'without'} a key, {describe_limits(account)}"


def _check_targets() -> Iterator[str]:
    for target in _read_targets():
        if target.disabled_reason:
            raise SettingsError(
                f"target {target.name} is disabled ({target.disabled_reason}): ./stockwire notify test {target.name}"
                " enables it if it takes the message"
            )
        if not target.is_webhook:
            check_apprise_url(target.url)
        yield f"{target.name}: {target.address}"


def _read_targets() -> list[Target]:
    try:
        with open_stored_alerts() as engine:
            if engine is None:
                return []
            with reading(engine) as connection:
                return read_targets(connection)
    except StorageError:
        # The check of the database names it.
        return []


def _check_market(name: str) -> Iterator[str]:
    yield load_market_calendar(name).describe(utc_now())


def _check_broker(settings: Settings) -> Iterator[str]:
    try:
        with connected(settings.amqp_url, "doctor") as connection:
            about = connection.server_properties
            yield f"{_text(about['product'])} {_text(about['version'])} at {settings.amqp_url}"
            for name in CONSUMERS:
                yield _describe_queue(connection, queue_name(name))
            if others := describe_other_consumers(connection, own=int(is_locked(UP_LOCK))):
                yield others
    except BrokerUnavailable as error:
        server = find_server()
        advice = f"./stockwire up runs a private one ({server})" if server else INSTALL_OPTIONS
        raise BrokerUnavailable(f"RabbitMQ does not answer at {settings.amqp_url}; {advice}") from error


def _describe_queue(connection: Connection, queue: str) -> str:
    waiting = count_messages(connection, queue)
    if waiting is None:
        return f"{queue} does not exist yet: its consumer declares it at its first start"
    dead = count_messages(connection, dead_queue_name(queue)) or 0
    look = f" (./stockwire dead list {queue})" if dead else ""
    consumers = count_consumers(connection, queue)
    return f"{queue}: {waiting} waiting, {consumers} consuming, {dead} dead{look}"


def _check_provider(name: str, settings: Settings) -> Iterator[str]:
    """Request one quote of the first symbol, and close the provider's circuit breaker before that."""
    symbol = watch_list(settings, VAR)[0]
    with tempfile.TemporaryDirectory() as temporary:
        # A check must not advance the position of a recording.
        provider = make_provider(name, settings, Path(temporary) if name == ReplayProvider.name else VAR)
        if account := settings.accounts.get(name):
            with open_state(VAR) as engine, writing(engine) as connection:
                reset_circuit_breaker(connection, account.fingerprint(name))
        try:
            quote = provider.quotes([symbol], utc_now())[symbol]
        except ProviderError as error:
            quote = error
    if isinstance(quote, ProviderError):
        raise ProviderError(f"no price of {symbol}: {quote}")
    price = f"{format_price(quote.price)} {quote.currency or ''}".strip()
    yield f"{name}: {symbol} {price} as of {format_instant(quote.as_of)}"


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _format_setting(value: object) -> str:
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, HttpAddress):  # a tuple too
        return str(value)
    return ",".join(value) if isinstance(value, tuple) else str(value or "")
