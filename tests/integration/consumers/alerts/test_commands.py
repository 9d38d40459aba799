"""The commands `stockwire rules` and `stockwire alerts`, run with the words that a user types."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from sqlalchemy.engine import make_url
from typer.testing import CliRunner

from consumers.alerts import commands
from consumers.alerts.handler import AlertHandler
from shared.database.engine import open_engine
from shared.errors import SettingsError
from shared.times import format_instant
from tests.event_factories import NOW, price_series

Command = Callable[..., str]

app = typer.Typer(pretty_exceptions_enable=False)
app.add_typer(commands.rules, name="rules")
app.command()(commands.alerts)


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite:///{tmp_path / 'alerts.db'}"
    monkeypatch.setenv("STOCKWIRE_ALERTS_URL", url)
    return url


@pytest.fixture
def stockwire(url: str) -> Command:
    """Return a function that runs a command, returns its stdout and raises its exception."""

    def run(*words: str, exit_code: int = 0) -> str:
        result = CliRunner().invoke(app, words)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == exit_code, result.output
        return result.stdout

    return run


@pytest.fixture
def alerted_event_ids(url: str, stockwire: Command) -> list[str]:
    """Return the ids of three events that raised one alert each."""
    stockwire("rules", "add", "up", "AAPL crossing up 200")
    events = price_series(["199", "201", "199", "200", "199", "200.5"])
    engine = open_engine(make_url(url))
    AlertHandler(engine, lambda messages: len(list(messages)), clock=lambda: NOW)(events)
    engine.dispose()
    return [events[1].id, events[3].id, events[5].id]


@pytest.mark.parametrize("name", ["a\udcff", "a\x1b[31m", "n" * 129])
def test_a_name_that_no_rule_can_have_is_refused_when_a_rule_is_removed_too(stockwire: Command, name: str) -> None:
    for words in (["add", name, "AAPL above 1"], ["remove", name]):
        with pytest.raises(SettingsError, match=r"rule name .* is not valid"):
            stockwire("rules", *words)


def test_a_rule_is_added_listed_and_removed(stockwire: Command) -> None:
    output = stockwire("rules", "add", "breakout", "AAPL crossing up 200.00")
    assert output == (
        "added rule breakout: AAPL crossing up 200 (a running alerts consumer applies this within 2 seconds)\n"
    )
    stockwire("rules", "add", "stop loss", "msft", "crossing", "down", "90.5")
    assert [line.split()[:6] for line in stockwire("rules", "list").splitlines()] == [
        ["id", "name", "rule", "created_at"],
        ["1", "breakout", "AAPL", "crossing", "up", "200"],
        ["2", "stop", "loss", "MSFT", "crossing", "down"],
    ]
    assert "removed rule breakout: AAPL crossing up 200" in stockwire("rules", "remove", "breakout")
    [left] = json.loads(stockwire("rules", "list", "--format", "json"))
    assert (left["id"], left["name"], left["rule"]) == (2, "stop loss", "MSFT crossing down 90.5")


def test_without_rules_and_alerts_stdout_is_empty(stockwire: Command) -> None:
    assert stockwire("rules", "list") == ""
    assert stockwire("alerts") == ""
    assert json.loads(stockwire("alerts", "--format", "json")) == []


@pytest.mark.usefixtures("url")
def test_without_alerts_the_message_names_a_time_only_if_one_was_given(capsys: pytest.CaptureFixture[str]) -> None:
    for since, words in ((None, "no alerts"), (NOW, f"no alerts since {format_instant(NOW)}")):
        commands.alerts(since=since)
        assert capsys.readouterr().err == f"{words}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["x", "AAPL above -5"], "'-5' is negative"),
        (["x", "AAPL", "above", "-5"], "'-5' is negative"),
        (["x", "AAPL above 1234567890.123456"], "more than 15 significant digits"),
        (["x", "AAPL moving up 5% in 1h"], "use one of above, below, crossing, crossing down, crossing up"),
        (["x", "AAPL"], "write SYMBOL CONDITION PRICE"),
        (["", "AAPL above 5"], "rule name .* is not valid"),
    ],
)
def test_an_invalid_rule_is_reported_in_one_line(stockwire: Command, words: list[str], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        stockwire("rules", "add", *words)
    assert "\n" not in str(caught.value)
    assert stockwire("rules", "list") == ""


def test_a_taken_or_unknown_name_is_an_error(stockwire: Command) -> None:
    stockwire("rules", "add", "x", "AAPL above 5")
    with pytest.raises(SettingsError, match="rule 'x' exists"):
        stockwire("rules", "add", "x", "AAPL above 6")
    with pytest.raises(SettingsError, match="there is no rule 'y'"):
        stockwire("rules", "remove", "y")


def test_an_unknown_option_is_wrong_usage(stockwire: Command) -> None:
    stockwire("rules", "add", "x", "AAPL", "above", "5", "--frequency", "once", exit_code=2)
    assert stockwire("rules", "list") == ""


def test_alerts_as_json_have_the_fields_of_the_event(stockwire: Command, alerted_event_ids: list[str]) -> None:
    alerts = json.loads(stockwire("alerts", "--format", "json"))
    assert [alert["event_id"] for alert in alerts] == alerted_event_ids
    assert alerts[0] == {
        "rule_id": 1,
        "rule_name": "up",
        "condition": "crossing_up",
        "symbol": "AAPL",
        "price": "201",
        "previous_price": "199",
        "threshold": "200",
        "as_of": "2024-11-20T09:59:59Z",
        "triggered_at": "2024-11-20T10:00:03.120000Z",
        "event_id": alerted_event_ids[0],
    }


def test_alerts_come_oldest_first_within_since_and_limit(stockwire: Command, alerted_event_ids: list[str]) -> None:
    newest = csv.DictReader(io.StringIO(stockwire("alerts", "--limit", "2", "--format", "csv")))
    assert [row["event_id"] for row in newest] == alerted_event_ids[1:]
    assert len(stockwire("alerts", "--since", "2024-11-20").splitlines()) == 1 + len(alerted_event_ids)
    assert stockwire("alerts", "--since", "2024-11-20T10:00:04") == ""
    stockwire("alerts", "--since", "soon", exit_code=2)
