"""`stockwire rules dry-run` on a real history, beside the alerts that the consumer raises on the same prices."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import typer
from sqlalchemy import select

from consumers.alerts import commands
from consumers.alerts.handler import AlertHandler
from consumers.alerts.tables import SCHEMA as ALERTS_SCHEMA
from consumers.alerts.tables import window_prices
from consumers.history.store import PriceStore
from consumers.history.tables import SCHEMA as HISTORY_SCHEMA
from infra import dry_run
from infra.rules import rules
from infra.splits import splits
from shared.database.engine import opened, reading
from shared.database.schema import create_schema
from shared.database.url import DatabaseUrl
from shared.errors import SettingsError, StorageError
from shared.events import StockData
from shared.times import format_instant, utc_now
from tests.command_line import run_command
from tests.event_factories import stock_data

Run = Callable[..., str]
DAY = timedelta(days=1)
# Far enough in the past for prices of some days, and within the year that is tried by default.
START = utc_now().replace(hour=0, minute=0, second=0, microsecond=0) - 30 * DAY
SINCE = ("--since", format_instant(START))

app = typer.Typer(pretty_exceptions_enable=False)
app.add_typer(rules, name="rules")
app.add_typer(commands.alerts, name="alerts")
app.add_typer(splits, name="splits")


@pytest.fixture
def databases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STOCKWIRE_HISTORY_URL", f"sqlite:///{tmp_path / 'history.db'}")
    monkeypatch.setenv("STOCKWIRE_ALERTS_URL", f"sqlite:///{tmp_path / 'alerts.db'}")
    return tmp_path


@pytest.fixture
def run(databases: Path) -> Run:
    """Return a function that runs a command, returns its stdout and raises its exception."""

    def invoke(*words: str) -> str:
        return run_command(app, words).stdout

    return invoke


def daily(prices: str, symbol: str = "AAPL", provider: str = "yahoo", start: datetime = START) -> list[StockData]:
    return [stock_data(symbol, price, start + day * DAY, provider) for day, price in enumerate(prices.split())]


def store(folder: Path, *series: Sequence[StockData]) -> None:
    with opened(DatabaseUrl(f"sqlite:///{folder / 'history.db'}").engine_url) as engine:
        create_schema(engine, HISTORY_SCHEMA)
        for events in series:
            PriceStore(engine).save(list(events))


def firings(output: str) -> list[tuple[str, str, str]]:
    return [(row["symbol"], row["price"], row["state"]) for row in csv.DictReader(io.StringIO(output))]


def test_a_condition_is_tried_on_the_stored_prices(databases: Path, run: Run) -> None:
    store(databases, daily("199 201 199 205"))
    day = (START + DAY).strftime("%Y-%m-%d")
    lines = run("rules", "dry-run", "AAPL above 200", *SINCE).splitlines()
    assert lines[1].split() == [f"{day}T00:00:00Z", "AAPL", "201", "AAPL", "above", "200", "firing", "yahoo"]
    assert lines[3].startswith("AAPL above 200 would have fired 2 times on 4 stored prices of AAPL (yahoo) from 20")
    assert not (databases / "alerts.db").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["AAPL crossing 200"],
        ["AAPL above 200", "--rearm", "195"],
        ["AAPL above 200", "--for", "1d", "--resolved"],
        ["* moving down 5% in 2d"],
        ["* new high in 4d", "--frequency", "once-per:3d"],
        ["AAPL outside channel 190 210", "--on-arm", "wait"],
    ],
    ids=" ".join,
)
def test_a_dry_run_shows_what_the_consumer_raises(databases: Path, run: Run, words: list[str]) -> None:
    apple, other = daily("199 201 190 204 230 180 185 199 201"), daily("50 52 48 40 41 60 61", "MSFT")
    run("rules", "add", "x", *words)
    store(databases, apple, other)
    found = firings(run("rules", "dry-run", "x", "--format", "csv", *SINCE))
    with opened(DatabaseUrl(f"sqlite:///{databases / 'alerts.db'}").engine_url) as engine:
        create_schema(engine, ALERTS_SCHEMA)
        AlertHandler(engine, lambda messages: len(list(messages)))([*apple, *other])
    raised = json.loads(run("alerts", "--format", "json"))
    assert sorted(found) == sorted((each["symbol"], each["price"], each["state"]) for each in raised)
    assert found


def test_a_dry_run_changes_no_database(databases: Path, run: Run) -> None:
    store(databases, daily("199 201"))
    run("rules", "add", "x", "AAPL above 200")
    before = {file: (databases / file).read_bytes() for file in ("history.db", "alerts.db")}
    assert "would have fired once" in run("rules", "dry-run", "x", *SINCE)
    assert {file: (databases / file).read_bytes() for file in before} == before
    assert json.loads(run("alerts", "--format", "json")) == []


def test_simulated_and_real_prices_are_not_mixed(databases: Path, run: Run) -> None:
    half_a_day_later = START + DAY / 2
    store(
        databases,
        daily("199 199 199"),
        daily("500 500", provider="simulated", start=half_a_day_later),
        daily("300 250", "FAKE", "simulated"),
    )
    assert firings(run("rules", "dry-run", "* above 200", "--format", "csv", *SINCE)) == [("FAKE", "300", "firing")]
    assert "of 2 symbols (simulated, yahoo)" in run("rules", "dry-run", "* above 200", *SINCE)


def test_a_file_of_rules_is_tried(databases: Path, run: Run, tmp_path: Path) -> None:
    store(databases, daily("199 201 250"))
    file = tmp_path / "rules.toml"
    text = '[[rule]]\nname = "a"\nwhen = "AAPL above 200"\n[[rule]]\nname = "b"\nwhen = "* above 240"\n'
    file.write_text(text + '[[rule]]\nname = "c"\nwhen = "MSFT above 1"\n')
    output = run("rules", "dry-run", str(file), *SINCE)
    assert [line.split(" on ")[0] for line in output.splitlines()[3:]] == [
        "a would have fired once",
        "b would have fired once",
        "c: no stored prices of MSFT",
    ]
    file.write_text(text.replace("above 240", "over 240"))
    with pytest.raises(SettingsError, match=r"rules\.toml:6: condition 'over 240' is not supported"):
        run("rules", "dry-run", str(file), *SINCE)


def test_a_held_rule_is_told(databases: Path, run: Run) -> None:
    store(databases, daily("400 100 99"))
    output = run("rules", "dry-run", "AAPL below 200", *SINCE)
    assert "held" in output.splitlines()[1]
    assert "AAPL went from 400 to 100 as of" in output
    assert "may be a split of 4:1" in output


def test_a_split_that_the_history_knows_holds_no_rule(databases: Path, run: Run) -> None:
    store(databases, daily("400 420 100 99"))
    run("splits", "add", "AAPL", (START + 2 * DAY).strftime("%Y-%m-%d"), "4:1")
    # A split that is only announced has not changed the shares of today.
    run("splits", "add", "AAPL", (utc_now() + 30 * DAY).strftime("%Y-%m-%d"), "2:1")
    output = run("rules", "dry-run", "AAPL above 102", "--format", "csv", *SINCE)
    assert firings(output) == [("AAPL", "105", "firing")]
    # Windows begin with prices in shares of today too.
    run("rules", "add", "low", "AAPL new low in 52w")
    with (
        opened(DatabaseUrl(f"sqlite:///{databases / 'alerts.db'}").engine_url) as engine,
        reading(engine) as connection,
    ):
        kept = connection.scalars(select(window_prices.c.price).order_by(window_prices.c.as_of)).all()
    assert kept == [100, 105, 100, 99]


def test_a_chart_is_drawn_on_a_terminal_alone(databases: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    store(databases, daily("199 201 202"), daily("1 1 1", "MSFT"))
    assert "▲" not in run("rules", "dry-run", "* above 200", *SINCE)
    monkeypatch.setattr(dry_run, "_draws_charts", lambda output: True)
    output = run("rules", "dry-run", "* above 200", *SINCE)
    assert "AAPL (▲ fires)" in output
    assert "MSFT (▲ fires)" not in output


@pytest.mark.parametrize(
    ("tried", "error", "message"),
    [
        ("nothing", SettingsError, "there is neither a rule nor a file 'nothing'"),
        ("a" * 9000, SettingsError, "there is neither a rule nor a file 'aaa"),
        ("AAPL belo 5", SettingsError, "condition 'belo 5' is not supported"),
        ("AAPL no data for 5m", SettingsError, "cannot be tried: `no data for 5m` needs"),
        ("MSFT above 5", StorageError, "there are no stored prices of MSFT since"),
    ],
)
def test_what_cannot_be_tried_is_reported_in_one_line(
    databases: Path, run: Run, tried: str, error: type[Exception], message: str
) -> None:
    store(databases, daily("199"))
    with pytest.raises(error, match=message) as caught:
        run("rules", "dry-run", tried)
    assert "\n" not in str(caught.value)


def test_without_a_history_the_error_tells_how_to_get_one(run: Run) -> None:
    with pytest.raises(StorageError, match="there is no history in"):
        run("rules", "dry-run", "AAPL above 5")


@pytest.mark.parametrize(
    ("terms", "answer"),
    [
        ("AAPL above 200", "x would have fired 2 times on 4 stored prices of AAPL (yahoo) from 20"),
        ("AAPL above 900", "x would never have fired on 4 stored prices of AAPL (yahoo) from 20"),
        ("* above 200", "x would have fired 2 times on 6 stored prices of 2 symbols (simulated, yahoo) from 20"),
    ],
)
def test_a_new_rule_is_answered_with_its_firings_in_the_stored_year(
    databases: Path, run: Run, terms: str, answer: str
) -> None:
    store(databases, daily("199 201 199 205"), daily("5 6", "FAKE", "simulated"), daily("300", start=START - 400 * DAY))
    assert run("rules", "add", "x", terms).splitlines()[-1].startswith(answer)


@pytest.mark.parametrize("terms", ["AAPL no data for 5m", "AAPL moving up 1% since close", "MSFT above 5"])
def test_a_new_rule_that_cannot_be_tried_is_answered_without_its_firings(databases: Path, run: Run, terms: str) -> None:
    store(databases, daily("199 201"))
    output = run("rules", "add", "x", terms)
    assert "stored prices of" not in output
    assert "" not in output.splitlines()


def test_a_rule_is_added_without_a_history(run: Run) -> None:
    assert "added rule x" in run("rules", "add", "x", "AAPL above 200")
    assert "" not in run("rules", "add", "y", "* above 200").splitlines()


def test_a_new_rule_on_many_symbols_is_tried_only_on_request(databases: Path, run: Run) -> None:
    store(databases, *(daily("1", f"S{number}") for number in range(101)))
    assert "run ./stockwire rules dry-run 'a rule' to see how often" in run("rules", "add", "a rule", "* above 200")
