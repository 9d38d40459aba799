"""`stockwire doctor`: checks everything the pipeline stands on, and says what to do about each fault."""

from collections.abc import Callable, Iterator
from dataclasses import fields

import typer
from sqlalchemy.engine import URL

from infra.install import find_server
from shared.database import open_engine, reading, shown, writing
from shared.errors import StockwireError
from shared.messaging.connection import connected
from shared.messaging.topology import count_messages, dead_queue_name, queue_name
from shared.settings import PREFIX, Settings, load_settings

Check = Callable[[Settings], Iterator[str]]


def doctor() -> None:
    """Check settings, broker, databases and provider; exit 1 where something needs doing."""
    try:
        settings = load_settings()
    except StockwireError as error:
        _report("settings", fault=str(error))
        raise typer.Exit(1) from error
    healthy = True
    for name, check in _CHECKS.items():
        try:
            for finding in check(settings):
                _report(name, finding)
        except StockwireError as error:
            _report(name, fault=str(error))
            healthy = False
    if not healthy:
        raise typer.Exit(1)


def _report(name: str, finding: str = "", fault: str = "") -> None:
    mark = "FAULT" if fault else "ok"
    coloured = typer.style(f"{mark:<5}", fg="red" if fault else "green", bold=True)
    typer.echo(f"{coloured}  {name:<9}  {fault or finding}")  # which drops the colour in a pipe


def _check_settings(settings: Settings) -> Iterator[str]:
    for each in fields(settings):
        yield f"{PREFIX}{each.name.upper()}={_shown(getattr(settings, each.name))}"


def _check_broker(settings: Settings) -> Iterator[str]:
    try:
        with connected(settings.amqp_url, "doctor") as connection:
            properties = connection.server_properties
            yield f"{_text(properties['product'])} {_text(properties['version'])} at {settings.amqp_url}"
            for name in map(queue_name, ("history", "alerts")):
                waiting = count_messages(connection, name)
                if waiting is None:
                    yield f"{name} is not there yet: its consumer declares it when it runs"
                else:
                    dead = count_messages(connection, dead_queue_name(name)) or 0
                    yield f"{name}: {waiting} waiting, {dead} dead"
    except StockwireError:
        server = find_server()
        yield f"installed for a private node: {server or 'no rabbitmq-server (up installs it where apt-get can)'}"
        raise


def _check_databases(settings: Settings) -> Iterator[str]:
    for url in (settings.history_url, settings.alerts_url, settings.results_url):
        engine = open_engine(url)
        try:
            with writing(engine):
                pass
            with reading(engine) as connection:
                if engine.dialect.name == "sqlite":
                    connection.exec_driver_sql("PRAGMA quick_check(1)").one()
            yield f"{shown(url)} can be read and written"
        finally:
            engine.dispose()


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _shown(value: object) -> str:
    if isinstance(value, URL):
        return shown(value)
    return ",".join(value) if isinstance(value, tuple) else str(value or "")


_CHECKS: dict[str, Check] = {
    "settings": _check_settings,
    "broker": _check_broker,
    "databases": _check_databases,
}
