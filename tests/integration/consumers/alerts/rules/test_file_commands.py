"""`stockwire rules check`, `import` and `export`, with the words that a user types, on a real database."""

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import typer
from sqlalchemy import Engine, select
from sqlalchemy.engine import make_url

from consumers.alerts.handler import AlertHandler
from consumers.alerts.rules.commands import build_rules
from consumers.alerts.rules.file_import import apply_import, plan_import
from consumers.alerts.rules.files import parse_rule_file
from consumers.alerts.seeding import PastPrice
from consumers.alerts.tables import SCHEMA, metric_usage, rule_levels, window_prices
from shared.database.engine import open_engine, reading
from shared.database.schema import create_schema
from shared.errors import SettingsError
from tests.command_line import run_command
from tests.event_factories import AS_OF, NOW, price_series

Run = Callable[..., str]
Prices = Callable[..., None]

app = typer.Typer(pretty_exceptions_enable=False)
app.add_typer(
    build_rules(
        lambda symbol, since: [PastPrice(since + timedelta(hours=1), Decimal(5), "USD", "simulated")], lambda rule: ""
    ),
    name="rules",
)

FILE = """
[[rule]]
name = "dip"
when = "AAPL below 150"

[[rule]]
name = "rise"
when = "MSFT crossing up 400"
frequency = "once"
"""


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STOCKWIRE_ALERTS_URL", f"sqlite:///{tmp_path / 'alerts.db'}")
    return tmp_path / "alerts.db"


@pytest.fixture
def engine(database: Path) -> Engine:
    engine = open_engine(make_url(f"sqlite:///{database}"))
    create_schema(engine, SCHEMA)
    return engine


@pytest.fixture
def rules(database: Path) -> Run:
    """Return a function that runs a command, returns what it prints on both streams, and raises its exception."""

    def run(*words: str, exit_code: int = 0) -> str:
        return run_command(app, ["rules", *words], exit_code=exit_code).output

    return run


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], str]:
    """Return a function that writes a file of rules, and returns its path."""

    def save(text: str) -> str:
        (tmp_path / "rules.toml").write_text(text)
        return str(tmp_path / "rules.toml")

    return save


@pytest.fixture
def prices(engine: Engine) -> Prices:
    """Return a function that lets the consumer evaluate prices of AAPL, one second apart."""

    def take(texts: Sequence[str], start: int = 0) -> None:
        handle = AlertHandler(engine, lambda messages: len(list(messages)), clock=lambda: NOW)
        handle(price_series(texts, start=AS_OF + timedelta(seconds=start)))

    return take


def stored(rules: Run) -> dict[str, str]:
    return {row["name"]: row["rule"] for row in json.loads(rules("list", "--format", "json"))}


def state(rules: Run, name: str) -> tuple[str, int]:
    [row] = [row for row in json.loads(rules("list", "--format", "json")) if row["name"] == name]
    return row["state"], row["fired"]


def test_a_file_is_imported_with_a_line_per_difference(rules: Run, write: Callable[[str], str]) -> None:
    output = rules("import", write(FILE)).splitlines()
    assert output[:2] == ["+ dip: AAPL below 150", "+ rise: MSFT crossing up 400 --frequency once"]
    assert output[2].startswith("2 added, 0 changed, 0 removed, 0 unchanged (a running alerts consumer applies this")
    assert rules("import", write(FILE)) == "0 added, 0 changed, 0 removed, 2 unchanged\n"
    rules("add", "other", "AAPL above 1")
    output = rules("import", write(FILE.replace("150", "140"))).splitlines()
    assert output[0] == "~ dip: AAPL below 150 -> AAPL below 140"
    assert output[1].startswith("0 added, 1 changed, 0 removed, 1 unchanged; 1 other rule stays")
    assert stored(rules) == {"dip": "AAPL below 140", "rise": "MSFT crossing up 400", "other": "AAPL above 1"}


def test_prune_removes_what_the_file_does_not_have(rules: Run, write: Callable[[str], str], engine: Engine) -> None:
    rules("add", "other", "AAPL moving up 5% in 1h")
    output = rules("import", write(FILE), "--prune")
    assert "- other: AAPL moving up 5% in 1h\n2 added, 0 changed, 1 removed" in output
    assert set(stored(rules)) == {"dip", "rise"}
    with reading(engine) as connection:
        assert set(connection.scalars(select(rule_levels.c.metric))) == {"price"}
        assert set(connection.scalars(select(metric_usage.c.metric))) == {"price"}
        assert connection.scalars(select(window_prices.c.price)).all() == []


def test_a_dry_run_changes_nothing_and_creates_no_file(rules: Run, write: Callable[[str], str], database: Path) -> None:
    output = rules("import", write(FILE), "--dry-run")
    assert "+ dip: AAPL below 150" in output
    assert "nothing was changed, because of --dry-run" in output
    assert not database.exists()
    rules("add", "other", "AAPL above 1")
    assert "- other: AAPL above 1" in rules("import", write(FILE), "--dry-run", "--prune")
    assert stored(rules) == {"other": "AAPL above 1"}


@pytest.mark.parametrize("words", [[], ["--dry-run"], ["--prune"]])
@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('[[rule]]\nname = "z"\nwhen = "AAPL belo 5"\n', r"rules\.toml:13: condition 'belo 5' is not supported"),
        ('[[rule]]\nname = "z"\nwhen = "AAPL below 5"\nnotify = "phone"\n', "there is no target 'phone'"),
    ],
)
def test_a_file_with_a_fault_changes_nothing(
    rules: Run, write: Callable[[str], str], words: list[str], more: str, message: str
) -> None:
    rules("add", "other", "AAPL above 1")
    with pytest.raises(SettingsError, match=message):
        rules("import", write(f"{FILE}\n{more}"), *words)
    assert stored(rules) == {"other": "AAPL above 1"}


def test_an_import_fails_as_a_whole_if_the_rules_changed_since_its_preview(engine: Engine, rules: Run) -> None:
    new = parse_rule_file(FILE).rules
    planned = plan_import(engine, new, prune=True)
    rules("add", "rise", "AAPL above 1")
    with pytest.raises(SettingsError, match="changed by another command meanwhile"):
        apply_import(engine, new, planned, NOW, prune=True)
    assert stored(rules) == {"rise": "AAPL above 1"}


def test_a_changed_rule_does_not_fire_again_for_what_it_has_told(
    rules: Run, write: Callable[[str], str], prices: Prices
) -> None:
    rules("import", write(FILE))
    prices(["140"])
    rules("silence", "dip", "2030-01-01")
    rules("import", write(FILE.replace("150", "155")))
    prices(["141", "142"], start=1)
    assert state(rules, "dip") == ("silenced", 1)
    rules("import", write(FILE.replace('150"', '155"\nenabled = false')))
    assert state(rules, "dip") == ("disabled", 0)
    prices(["160", "141"], start=3)
    rules("import", write(FILE.replace("150", "155")))
    rules("silence", "dip", "off")
    prices(["142"], start=5)
    assert state(rules, "dip") == ("firing", 1)


def test_a_rule_with_a_window_begins_with_the_stored_prices(
    rules: Run, write: Callable[[str], str], engine: Engine
) -> None:
    rules("import", write('[[rule]]\nname = "x"\nwhen = "AAPL new high in 52w"\n'))
    with reading(engine) as connection:
        assert connection.scalars(select(window_prices.c.price)).all() == [5]


def test_what_is_exported_is_imported_unchanged(rules: Run, write: Callable[[str], str], database: Path) -> None:
    assert rules("export") == ""
    options = ["--for", "10m", "--frequency", "once-per:2h", "--rearm", "195.5", "--on-arm", "wait", "--resolved"]
    rules("add", 'a "quoted" \\ name é', "AAPL above 200", *options, "--expires", "2030-01-01T00:00:00.000001")
    rules("add", "y", "* new high in 52w", "--message", "{symbol} 'now' \"{price}\"")
    rules("disable", "y")
    exported = rules("export")
    assert exported.startswith('[[rule]]\nname = "a \\"quoted\\" \\\\ name é"\nwhen = "AAPL above 200"\n')
    assert rules("import", write(exported), "--prune") == "0 added, 0 changed, 0 removed, 2 unchanged\n"
    database.unlink()
    assert "2 added" in rules("import", write(exported))
    assert rules("export") == exported


def test_check_reports_each_fault_and_each_failed_test(rules: Run, write: Callable[[str], str]) -> None:
    test = "[[test]]\nrule = 'dip'\nprices = [['2026-01-01', 151], ['2026-01-02', 149]]\nfires = ['2026-01-02']\n"
    file = write(FILE + test)
    assert rules("check", file) == f"{file}: 2 rules and 1 test are fine\n"
    write(FILE + test.replace("149", "151"))
    assert rules("check", file, exit_code=1) == (
        f"{file}:10: rule 'dip' does not fire at 2026-01-02T00:00:00Z, where the price is 151\n"
    )
    write(FILE.replace("below", "belo").replace("once", "often"))
    assert [line.partition(": ")[0] for line in rules("check", file, exit_code=1).splitlines()] == [
        f"{file}:4",
        f"{file}:9",
    ]


@pytest.mark.parametrize("command", ["check", "import"])
def test_a_file_that_cannot_be_read_is_reported_in_one_line(rules: Run, tmp_path: Path, command: str) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml cannot be read: No such file"):
        rules(command, str(tmp_path / "none.toml"))
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        rules(command, str(tmp_path))
    (tmp_path / "latin.toml").write_bytes(b"# a\n# \xe9\n")
    with pytest.raises(SettingsError, match=r"latin\.toml:2: is not UTF-8 text"):
        rules(command, str(tmp_path / "latin.toml"))
    (tmp_path / "bom.toml").write_bytes(b"\xef\xbb\xbf# a\n")
    rules(command, str(tmp_path / "bom.toml"))
