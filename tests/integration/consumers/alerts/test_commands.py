"""The commands `stockwire rules` and `stockwire alerts`, run with the words that a user types."""

import csv
import io
import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import typer
from sqlalchemy.engine import make_url
from typer.testing import CliRunner

from consumers.alerts.handler import AlertHandler
from consumers.alerts.seeding import PastPrice
from shared.database.engine import open_engine
from shared.errors import SettingsError
from shared.times import format_instant
from tests.event_factories import AS_OF, NOW, price_series
from tests.integration.consumers.alerts.conftest import Command, Prices, fired, rule_row


@pytest.fixture
def alerted_event_ids(url: str, stockwire: Command) -> list[str]:
    """Return the ids of three events that raised one alert each."""
    stockwire("rules", "add", "up", "AAPL crossing up 200")
    events = price_series(["199", "201", "199", "200", "199", "200.5"])
    engine = open_engine(make_url(url))
    AlertHandler(engine, lambda messages: len(list(messages)), clock=lambda: NOW)(events)
    engine.dispose()
    return [events[1].id, events[3].id, events[5].id]


def test_alerts_are_written_to_a_file_in_every_format(
    stockwire: Command, alerted_event_ids: list[str], tmp_path: Path
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow comes with requirements-analysis.txt")
    printed = json.loads(stockwire("alerts", "--format", "json"))
    for name in ("alerts.csv", "alerts.json", "alerts.parquet"):
        assert stockwire("alerts", "--output", str(tmp_path / name)) == ""
    assert json.loads((tmp_path / "alerts.json").read_text()) == printed
    table = parquet.read_table(tmp_path / "alerts.parquet")
    assert table["event_id"].to_pylist() == alerted_event_ids
    assert table["price"].to_pylist() == [Decimal(alert["price"]) for alert in printed]
    assert table["silenced"].to_pylist() == [False] * 3
    assert [format_instant(moment) for moment in table["as_of"].to_pylist()] == [alert["as_of"] for alert in printed]
    assert len((tmp_path / "alerts.csv").read_text().splitlines()) == 4
    stockwire("alerts", "--undelivered", "--output", str(tmp_path / "undelivered.parquet"))
    assert parquet.read_table(tmp_path / "undelivered.parquet").num_rows == 0


@pytest.mark.parametrize("name", ["a\udcff", "a\x1b[31m", "n" * 129])
def test_a_name_that_no_rule_can_have_is_refused_when_a_rule_is_removed_too(stockwire: Command, name: str) -> None:
    for words in (["add", name, "AAPL above 1"], ["remove", name]):
        with pytest.raises(SettingsError, match=r"rule name .* is not valid"):
            stockwire("rules", *words)


def test_a_rule_is_added_listed_and_removed(stockwire: Command) -> None:
    output = stockwire("rules", "add", "breakout", "AAPL crossing up 200.00")
    assert output == (
        "added rule breakout: AAPL crossing up 200 (a running alerts consumer applies this within 2 seconds)\n"
        "no price of AAPL has arrived yet\n"
    )
    stockwire("rules", "add", "stop loss", "msft", "crossing", "down", "90.5")
    assert [line.split()[:6] for line in stockwire("rules", "list").splitlines()] == [
        ["id", "name", "rule", "state", "since", "last_price"],
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


def test_without_alerts_the_message_names_a_time_only_if_one_was_given(app: typer.Typer) -> None:
    since = format_instant(NOW)
    for words, message in (([], "no alerts"), (["--since", since], f"no alerts since {since}")):
        assert CliRunner().invoke(app, ["alerts", *words]).stderr == f"{message}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["x", "AAPL above -5"], "'-5' is negative"),
        (["x", "AAPL", "above", "-5"], "'-5' is negative"),
        (["x", "AAPL above 1234567890.123456"], "more than 15 significant digits"),
        (["x", "AAPL crosses 5"], "use one of above, below, crossing, crossing down, crossing up"),
        (["x", "AAPL crosses above 5"], "such as 'AAPL crossing"),
        (["x", "AAPL"], "write SYMBOL CONDITION"),
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
    stockwire("rules", "add", "x", "AAPL", "above", "5", "--often", "once", exit_code=2)
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
        "state": "firing",
        "terms": "AAPL crossing up 200",
        "message": "AAPL at 201: crossing up 200",
        "silenced": False,
    }


def test_alerts_come_oldest_first_within_since_and_limit(stockwire: Command, alerted_event_ids: list[str]) -> None:
    newest = csv.DictReader(io.StringIO(stockwire("alerts", "--limit", "2", "--format", "csv")))
    assert [row["event_id"] for row in newest] == alerted_event_ids[1:]
    assert len(stockwire("alerts", "--since", "2024-11-20").splitlines()) == 1 + len(alerted_event_ids)
    assert stockwire("alerts", "--since", "2024-11-20T10:00:04") == ""
    stockwire("alerts", "--since", "soon", exit_code=2)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["AAPL above 200"], "AAPL is at 190.29, 4.9 % below 200; the condition is not true now"),
        (
            ["AAPL above 100"],
            "AAPL is at 190.29, 90.3 % above 100; the condition is true already: the rule fires with the next price",
        ),
        (["AAPL above 100", "--on-arm", "wait"], "the rule waits until it has been false"),
        (["AAPL above 100", "--for", "10m"], "the rule fires if it stays so for 10m"),
        (["AAPL crossing 190.29"], "AAPL is at 190.29, exactly 190.29\n"),
        (["AAPL inside channel 1 2"], "AAPL is at 190.29; the condition is not true now"),
        (["* above 100"], "the condition is true now on 1 of 1 symbols with a price"),
        (["AAPL above 100", "--expires", "2020-01-01"], "fires on no price as of 2020-01-01T00:00:00Z or later"),
    ],
)
def test_a_new_rule_is_answered_with_where_the_price_stands(
    stockwire: Command, prices: Prices, words: list[str], answer: str
) -> None:
    prices("190.29")
    assert answer in stockwire("rules", "add", "x", *words)


def test_options_are_stored_and_shown(stockwire: Command) -> None:
    words = ["--frequency", "once-per:1h", "--for", "10m", "--rearm", "195", "--expires", "2030-01-01", "--resolved"]
    stockwire("rules", "add", "x", "AAPL above 200", *words, "--message", "{symbol} at {price}")
    row = rule_row(stockwire)
    assert {name: row[name] for name in ("frequency", "for", "rearm", "on_arm", "expires", "resolved", "message")} == {
        "frequency": "once-per:1h",
        "for": "10m",
        "rearm": "195",
        "on_arm": "fire",
        "expires": "2030-01-01T00:00:00Z",
        "resolved": True,
        "message": "{symbol} at {price}",
    }
    assert "AAPL above 200 --frequency once-per:1h --for 10m --rearm 195" in stockwire("rules", "show", "x")
    stockwire("rules", "edit", "x", "AAPL below 200", "--rearm", "none", "--for", "none", "--no-resolved")
    row = rule_row(stockwire)
    assert (row["rule"], row["rearm"], row["for"], row["resolved"]) == ("AAPL below 200", None, None, False)
    assert row["frequency"] == "once-per:1h"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--rearm", "205"], "--rearm 205 must lie below 200"),
        (["--rearm", "soon"], "--rearm 'soon' is not a decimal number"),
        (["--for", "soon"], "'soon' is not a duration"),
        (["--frequency", "often"], "use once, every or once-per:1h"),
        (["--on-arm", "never"], "use fire or wait"),
        (["--expires", "soon"], "neither a date or time"),
        (["--notify", "phone"], "there is no target 'phone': .* ./stockwire notify add phone URL adds it"),
        (["--message", "{rule.name}"], "unknown field"),
    ],
)
def test_an_invalid_option_is_reported_in_one_line_and_stores_nothing(
    stockwire: Command, words: list[str], message: str
) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        stockwire("rules", "add", "x", "AAPL above 200", *words)
    assert "\n" not in str(caught.value)
    assert stockwire("rules", "list") == ""


def test_a_window_begins_with_the_stored_history(
    stockwire: Command, prices: Prices, past_prices: dict[str, list[PastPrice]]
) -> None:
    def past(hours: int, price: str, currency: str = "USD", provider: str = "simulated") -> PastPrice:
        return PastPrice(AS_OF - timedelta(hours=hours), Decimal(price), currency, provider)

    past_prices["AAPL"] = [past(50, "150"), past(40, "205"), past(30, "900", "GBP"), past(20, "900", provider="yahoo")]
    prices("200")
    assert "its window begins with 2 prices of the stored history" in stockwire(
        "rules", "add", "x", "AAPL new high in 3d"
    )
    prices("204", "205", "206", start=1)
    assert fired(stockwire) == ["206"]
