"""The environment of the tests that run the alerts consumer, and the commands on its database."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import typer
from sqlalchemy import Engine
from sqlalchemy.engine import URL, make_url

from consumers.alerts import commands
from consumers.alerts.handler import AlertHandler
from consumers.alerts.rules.commands import build_rules
from consumers.alerts.seeding import PastPrice
from shared.database.engine import opened
from shared.messaging.address import BrokerAddress
from tests.alerts_environment import AlertsEnvironment, alerts_environment
from tests.command_line import run_command
from tests.event_factories import AS_OF, NOW, price_series

Command = Callable[..., str]
Prices = Callable[..., None]


@pytest.fixture
def environment(broker: BrokerAddress, tmp_path: Path) -> Iterator[AlertsEnvironment]:
    with alerts_environment(broker, tmp_path) as environment:
        yield environment


@pytest.fixture
def engine(alerts_url: URL) -> Iterator[Engine]:
    """An empty alerts database, on SQLite and PostgreSQL."""
    with opened(alerts_url) as engine:
        yield engine


@pytest.fixture
def url(alerts_url: URL, monkeypatch: pytest.MonkeyPatch) -> str:
    url = alerts_url.render_as_string(hide_password=False)
    monkeypatch.setenv("STOCKWIRE_ALERTS_URL", url)
    return url


@pytest.fixture
def past_prices() -> dict[str, list[PastPrice]]:
    """The stored history of each symbol, empty until a test fills it."""
    return {}


@pytest.fixture
def app(url: str, past_prices: dict[str, list[PastPrice]]) -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.add_typer(build_rules(lambda symbol, since: past_prices.get(symbol, ()), lambda rule: ""), name="rules")
    app.add_typer(commands.alerts, name="alerts")
    return app


@pytest.fixture
def stockwire(app: typer.Typer) -> Command:
    """Return a function that runs a command, returns its stdout and raises its exception."""

    def run(*words: str, exit_code: int = 0) -> str:
        return run_command(app, words, exit_code=exit_code).stdout

    return run


@pytest.fixture
def prices(url: str) -> Prices:
    """Return a function that lets the consumer evaluate prices of a symbol, one second apart."""

    def take(*texts: str, symbol: str = "AAPL", start: int = 0, **fields: object) -> None:
        with opened(make_url(url)) as engine:
            handle = AlertHandler(engine, lambda messages: len(list(messages)), clock=lambda: NOW)
            handle(price_series(texts, symbol, AS_OF + timedelta(seconds=start), **fields))

    return take


def rule_row(stockwire: Command, name: str = "x") -> dict[str, object]:
    rows = json.loads(stockwire("rules", "list", "--format", "json"))
    [row] = [row for row in rows if row["name"] == name]
    return dict(row)


def fired(stockwire: Command) -> list[str | None]:
    return [alert["price"] for alert in json.loads(stockwire("alerts", "--format", "json"))]
