"""The commands `stockwire rules` and `stockwire alerts`, run with the words that a user types."""

import csv
import io
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import typer
from sqlalchemy.engine import URL, make_url
from typer.testing import CliRunner

from consumers.alerts import commands
from consumers.alerts.handler import AlertHandler
from consumers.alerts.rules.commands import build_rules
from consumers.alerts.seeding import PastPrice
from consumers.alerts.tables import SCHEMA
from shared.database.engine import open_engine
from shared.database.schema import create_schema
from shared.errors import SettingsError
from shared.times import format_instant, utc_now
from tests.event_factories import AS_OF, NOW, price_series

Command = Callable[..., str]

# The stored history of each symbol.
PAST: dict[str, list[PastPrice]] = {}

app = typer.Typer(pretty_exceptions_enable=False)
app.add_typer(build_rules(lambda symbol, since: PAST.get(symbol, ()), lambda rule: ""), name="rules")
app.add_typer(commands.alerts, name="alerts")


@pytest.fixture
def url(alerts_url: URL, monkeypatch: pytest.MonkeyPatch) -> str:
    url = alerts_url.render_as_string(hide_password=False)
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


@pytest.mark.usefixtures("url")
def test_without_alerts_the_message_names_a_time_only_if_one_was_given() -> None:
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


Prices = Callable[..., None]


@pytest.fixture
def prices(url: str) -> Prices:
    """Return a function that lets the consumer evaluate prices of a symbol, one second apart."""

    def take(*texts: str, symbol: str = "AAPL", start: int = 0, **fields: object) -> None:
        engine = open_engine(make_url(url))
        create_schema(engine, SCHEMA)
        handle = AlertHandler(engine, lambda messages: len(list(messages)), clock=lambda: NOW)
        handle(price_series(texts, symbol, AS_OF + timedelta(seconds=start), **fields))
        engine.dispose()

    return take


def rule_row(stockwire: Command, name: str = "x") -> dict[str, object]:
    rows = json.loads(stockwire("rules", "list", "--format", "json"))
    [row] = [row for row in rows if row["name"] == name]
    return dict(row)


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


def test_the_list_tells_state_last_price_distance_and_times_fired(stockwire: Command, prices: Prices) -> None:
    stockwire("rules", "add", "x", "AAPL above 200")
    assert (rule_row(stockwire)["state"], rule_row(stockwire)["last_price"]) == ("armed", None)
    prices("201")
    row = rule_row(stockwire)
    expected = ("firing", "2024-11-20T09:59:58Z", "201", "-0.50%", 1)
    assert (row["state"], row["since"], row["last_price"], row["distance"], row["fired"]) == expected
    prices("190", start=1)
    row = rule_row(stockwire)
    expected = ("armed", "2024-11-20T09:59:59Z", "190", "+5.26%")
    assert (row["state"], row["since"], row["last_price"], row["distance"]) == expected


def instant(row: dict[str, object]) -> datetime:
    return datetime.fromisoformat(str(row["since"]))


def test_the_list_tells_since_when_a_rule_is_armed_firing_or_disabled(stockwire: Command, prices: Prices) -> None:
    """A rule that has not fired is armed since it was added, edited or enabled, by our clock."""
    before = utc_now() - timedelta(seconds=1)
    stockwire("rules", "add", "x", "AAPL above 200", "--on-arm", "wait")
    assert before < instant(rule_row(stockwire)) <= utc_now()
    # In one batch the rule fires, ends and fires again: the prices are one second apart.
    prices("201", "202")
    assert (rule_row(stockwire)["state"], instant(rule_row(stockwire))) == ("firing", AS_OF)
    prices("190", "205", "190", "191", start=2)
    assert (rule_row(stockwire)["state"], instant(rule_row(stockwire))) == ("armed", AS_OF + timedelta(seconds=4))
    prices("206", start=6)
    assert (rule_row(stockwire)["state"], instant(rule_row(stockwire))) == ("firing", AS_OF + timedelta(seconds=6))
    for change in ("disable", "enable"):
        before = utc_now() - timedelta(seconds=1)
        stockwire("rules", change, "x")
        assert before < instant(rule_row(stockwire)) <= utc_now()


def test_states_beside_another_are_told_too(stockwire: Command, prices: Prices) -> None:
    stockwire("rules", "add", "x", "AAPL above 200")
    prices("201")
    stockwire("rules", "ack", "x")
    stockwire("rules", "silence", "x", "2030-01-01")
    row = rule_row(stockwire)
    assert (row["state"], row["also"]) == ("silenced", ["acknowledged", "firing"])
    assert (row["since"], row["silenced_until"]) == ("2024-11-20T09:59:58Z", "2030-01-01T00:00:00Z")
    assert "silenced, acknowledged, firing" in stockwire("rules", "list")
    shown = "AAPL: silenced until 2030-01-01T00:00:00Z, acknowledged, firing since 2024-11-20T09:59:58Z, AAPL is at 201"
    assert shown in stockwire("rules", "show", "x")
    stockwire("rules", "add", "every", "* above 200")
    stockwire("rules", "silence", "every", "2030-01-01")
    assert rule_row(stockwire, "every")["state"] == "silenced"


def test_a_rule_on_every_symbol_without_a_price_has_a_state_and_its_time(stockwire: Command) -> None:
    stockwire("rules", "add", "x", "* above 200")
    row = rule_row(stockwire)
    assert (row["state"], instant(row) <= utc_now()) == ("armed", True)
    stockwire("rules", "silence", "x", "2030-01-01")
    row = rule_row(stockwire)
    assert (row["state"], row["also"]) == ("silenced", ["armed"])


def test_a_rule_is_stale_while_another_tells_that_there_is_no_data(
    stockwire: Command, prices: Prices, url: str
) -> None:
    stockwire("rules", "add", "x", "AAPL above 200")
    stockwire("rules", "add", "feed", "* no data for 30m")
    prices("201")
    silent(url)
    row = rule_row(stockwire)
    assert (row["state"], row["also"], row["since"]) == ("stale", ["firing"], "2024-11-20T10:00:03Z")
    assert rule_row(stockwire, "feed")["state"] == "firing"
    assert "there is no data of AAPL, as a rule `no data for` tells" in stockwire("rules", "explain", "x")
    prices("201", start=1)
    assert (rule_row(stockwire)["state"], fired(stockwire)) == ("firing", ["201", None])


def silent(url: str) -> None:
    """Let an hour go by without an event."""
    engine = open_engine(make_url(url))
    AlertHandler(engine, lambda messages: len(list(messages)), clock=lambda: utc_now() + timedelta(hours=1)).idle()
    engine.dispose()


def test_a_rule_on_every_symbol_is_acknowledged_on_one_of_them_or_on_all(stockwire: Command, prices: Prices) -> None:
    stockwire("rules", "add", "x", "* above 200")
    prices("201")
    prices("201", symbol="MSFT")
    prices("199", symbol="IBM")
    assert stockwire("rules", "ack", "x", "msft") == "acknowledged rule x on MSFT\n"
    assert "AAPL: firing" in stockwire("rules", "show", "x")
    assert "MSFT: acknowledged, firing since" in stockwire("rules", "show", "x")
    with pytest.raises(SettingsError, match="not firing on IBM"):
        stockwire("rules", "ack", "x", "IBM")
    assert stockwire("rules", "ack", "x") == "acknowledged rule x on AAPL, MSFT\n"


def test_states_of_a_rule(stockwire: Command, prices: Prices) -> None:
    def state() -> object:
        return rule_row(stockwire)["state"]

    stockwire("rules", "add", "x", "AAPL above 200", "--for", "2s")
    prices("201")
    assert state() == "pending"
    prices("201", start=2)
    assert state() == "firing"
    assert "acknowledged rule x on AAPL" in stockwire("rules", "ack", "x")
    assert state() == "acknowledged"
    prices("199", start=3)
    assert state() == "armed"
    with pytest.raises(SettingsError, match="is not firing"):
        stockwire("rules", "ack", "x")
    assert "silenced until" in stockwire("rules", "silence", "x", "2h")
    assert state() == "silenced"
    stockwire("rules", "silence", "x", "off")
    assert state() == "armed"
    stockwire("rules", "disable", "x")
    assert state() == "disabled"
    stockwire("rules", "enable", "x")
    assert state() == "armed"
    stockwire("rules", "edit", "x", "--expires", "2024-11-20")
    assert state() == "expired"


def fired(stockwire: Command) -> list[str | None]:
    return [alert["price"] for alert in json.loads(stockwire("alerts", "--format", "json"))]


def test_a_disabled_rule_keeps_nothing_and_starts_afresh_when_it_is_enabled(stockwire: Command, prices: Prices) -> None:
    stockwire("rules", "add", "x", "AAPL above 200")
    prices("201")
    stockwire("rules", "disable", "x")
    prices("199", "202", start=1)
    stockwire("rules", "enable", "x")
    prices("203", "204", start=3)
    assert fired(stockwire) == ["201", "203"]


@pytest.mark.parametrize("options", [[], ["--rearm", "150"]])
def test_an_edited_rule_does_not_fire_again_for_what_it_has_told(
    stockwire: Command, prices: Prices, options: list[str]
) -> None:
    stockwire("rules", "add", "x", "* above 200", *options)
    prices("201")
    stockwire("rules", "edit", "x", "* above 190")
    prices("202", start=1)
    assert (fired(stockwire), rule_row(stockwire)["state"]) == (["201"], "firing")
    stockwire("rules", "edit", "x", "* above 300", "--rearm", "none")
    prices("203", "301", start=2)
    assert fired(stockwire) == ["201", "301"]


def test_a_silenced_alert_is_stored_and_marked(stockwire: Command, prices: Prices) -> None:
    stockwire("rules", "add", "x", "AAPL above 200")
    stockwire("rules", "silence", "x", "2030-01-01")
    prices("201")
    [alert] = json.loads(stockwire("alerts", "--format", "json"))
    assert alert["silenced"] is True


def test_held_rules_are_released_by_their_scale(stockwire: Command, prices: Prices) -> None:
    stockwire("rules", "add", "x", "AAPL below 480", "--rearm", "490")
    stockwire("rules", "add", "any", "* crossing down 121")
    prices("499.23")
    prices("129.04", start=86_400)
    assert (rule_row(stockwire)["state"], rule_row(stockwire, "any")["state"]) == ("held", "held")
    assert "rescale AAPL 4:1, or --as-is" in stockwire("rules", "explain", "x")
    prices("128", start=86_401)
    assert "divided the thresholds of 1 rule of AAPL by 4:1" in stockwire("rules", "rescale", "AAPL", "4:1")
    assert (rule_row(stockwire)["rule"], rule_row(stockwire)["rearm"]) == ("AAPL below 120", "122.5")
    assert rule_row(stockwire, "any")["rule"] == "* crossing down 121"
    prices("127", "119", start=86_402)
    assert fired(stockwire) == ["119", "119"]
    assert [a["previous_price"] for a in json.loads(stockwire("alerts", "--format", "json"))] == ["127", "127"]


def test_rules_that_are_released_as_they_are_see_the_crash(stockwire: Command, prices: Prices) -> None:
    stockwire("rules", "add", "x", "AAPL crossing down 400")
    prices("499.23")
    prices("129.04", start=86_400)
    stockwire("rules", "rescale", "AAPL", "--as-is")
    prices("128", start=86_401)
    assert fired(stockwire) == ["128"]
    with pytest.raises(SettingsError, match="are not held"):
        stockwire("rules", "rescale", "AAPL", "--as-is")
    with pytest.raises(SettingsError, match="is not a ratio such as 4:1"):
        stockwire("rules", "rescale", "AAPL", "4")
    stockwire("rules", "rescale", "AAPL", exit_code=2)


def test_a_window_begins_with_the_stored_history(
    stockwire: Command, prices: Prices, monkeypatch: pytest.MonkeyPatch
) -> None:
    def past(hours: int, price: str, currency: str = "USD", provider: str = "simulated") -> PastPrice:
        return PastPrice(AS_OF - timedelta(hours=hours), Decimal(price), currency, provider)

    stored = [past(50, "150"), past(40, "205"), past(30, "900", "GBP"), past(20, "900", provider="yahoo")]
    monkeypatch.setitem(PAST, "AAPL", stored)
    prices("200")
    assert "its window begins with 2 prices of the stored history" in stockwire(
        "rules", "add", "x", "AAPL new high in 3d"
    )
    prices("204", "205", "206", start=1)
    assert fired(stockwire) == ["206"]


def test_explain_tells_why_a_rule_fired_or_did_not(stockwire: Command, prices: Prices) -> None:
    stockwire("rules", "add", "x", "AAPL above 200")
    assert "no price of AAPL has arrived yet" in stockwire("rules", "explain", "x")
    prices("190", "199")
    text = stockwire("rules", "explain", "x")
    assert "the last price was 199 USD as of 2024-11-20T09:59:59Z from simulated, the price before was 190" in text
    assert "`above 200` is false: the price is 199" in text
    assert "did not fire: the condition is not true" in text
    prices("201", start=2)
    assert "with this price the rule raised an alert (firing)" in stockwire("rules", "explain", "x")
    prices("202", start=3)
    assert "the condition was true before, and a rule fires when it becomes true" in stockwire("rules", "explain", "x")
    prices("205", start=-60, provider="replay")
    assert "the newest event is late: replay delivers prices as of 2024-11-20T09:58:58Z" in stockwire(
        "rules", "explain", "x"
    )
    stockwire("rules", "add", "move", "* moving up 5% in 1h")
    stockwire("rules", "add", "new", "AAPL above 100")
    assert "did not fire: it was added, edited or enabled later" in stockwire("rules", "explain", "new")
    prices("203", start=4)
    assert "203 is +1 (+0.50 %) from 202, the oldest price of the window" in stockwire(
        "rules", "explain", "move", "aapl"
    )
    for name, symbol in (("y", None), ("move", "MSFT")):
        with pytest.raises(SettingsError, match=r"there is no rule 'y'|has seen no price of MSFT"):
            stockwire("rules", "explain", name, *([symbol] if symbol else []))
