"""`history`, `latest` and `symbols` as files, pictures and charts, by the real commands in this process."""

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from consumers.history.store import PriceStore
from consumers.history.tables import SCHEMA
from infra.cli import cli
from shared.database.engine import opened
from shared.database.schema import create_schema
from shared.database.url import DatabaseUrl
from shared.errors import MissingLibrary, OutputError, StockwireError
from tests.event_factories import AS_OF, changed, stock_data

pyarrow = pytest.importorskip("pyarrow", reason="pyarrow comes with requirements-analysis.txt")
pytest.importorskip("matplotlib", reason="matplotlib comes with requirements-analysis.txt")

# Digits that need each of the scales of decimals, and a provider that a spreadsheet would run.
PRICES = ["187.44", "0.000000123456789012345", "123456789012345"]
PROVIDER = "=cmd"

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exports") / "history.db"
    events = [
        stock_data("AAPL", price, AS_OF + timedelta(hours=number), PROVIDER, volume=number)
        for number, price in enumerate(PRICES)
    ]
    midnight = datetime(2024, 11, 1, tzinfo=UTC)
    bars = [
        stock_data("MSFT", Decimal(100 + day % 7), midnight + timedelta(days=day), "yahoo", interval="1d", volume=10**6)
        for day in range(30)
    ]
    bars = [changed(bar, open=Decimal(101), high=Decimal(110), low=Decimal(90)) for bar in bars]
    with opened(DatabaseUrl(f"sqlite:///{path}").engine_url) as engine:
        create_schema(engine, SCHEMA)
        PriceStore(engine).save([*events, *bars])
    return path


@pytest.fixture
def run(database: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("STOCKWIRE_HISTORY_URL", f"sqlite:///{database}")
    monkeypatch.chdir(tmp_path)

    def run_command(*words: str, status: int = 0) -> Any:
        done = CliRunner().invoke(cli, words)
        if isinstance(done.exception, StockwireError):
            raise done.exception
        assert done.exit_code == status, done.output
        return done

    return run_command


def csv_rows(name: str) -> list[dict[str, str]]:
    with Path(name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_suffix_tells_the_format_and_all_formats_have_the_same_rows(run: Run) -> None:
    printed = json.loads(run("history", "AAPL", "--format", "json").stdout)
    assert [row["price"] for row in printed] == PRICES
    for name in ("out.csv", "out.json", "out.parquet", "out.txt"):
        done = run("history", "AAPL", "--output", name)
        assert done.stdout == ""
        assert done.stderr == f"wrote 3 rows to {name}\n"
    assert json.loads(Path("out.json").read_text()) == printed
    texts = [{name: "" if value is None else str(value) for name, value in row.items()} for row in printed]
    assert csv_rows("out.csv") == [{**row, "provider": f"'{PROVIDER}"} for row in texts]
    assert [line.split()[2] for line in Path("out.txt").read_text().splitlines()] == ["price", *PRICES]


def test_parquet_has_exact_decimals_and_times_in_utc(run: Run) -> None:
    run("history", "AAPL", "--output", "out.parquet")
    table = pyarrow.parquet.read_table("out.parquet")
    assert [str(table.schema.field(name).type) for name in ("as_of", "price", "volume", "provider")] == [
        "timestamp[us, tz=UTC]",
        "decimal128(38, 23)",
        "int64",
        "string",
    ]
    assert table["price"].to_pylist() == list(map(Decimal, PRICES))
    assert table["as_of"].to_pylist() == [AS_OF + timedelta(hours=number) for number in range(3)]
    assert table["provider"].to_pylist() == [PROVIDER] * 3
    run("history", "MSFT", "--every", "1w", "--output", "candles.parquet")
    candles = pyarrow.parquet.read_table("candles.parquet")
    assert str(candles.schema.field("close").type) == "decimal128(38, 8)"
    printed = json.loads(run("history", "MSFT", "--every", "1w", "--format", "json").stdout)
    assert [str(value.normalize()) for value in candles["close"].to_pylist()] == [row["close"] for row in printed]
    assert candles["volume"].to_pylist() == [row["volume"] for row in printed]


@pytest.mark.parametrize(
    ("words", "columns"),
    [(("latest",), 8), (("symbols",), 5), (("symbols", "--count"), 6)],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_the_lists_of_symbols_can_be_files_too(run: Run, words: tuple[str, ...], columns: int) -> None:
    run(*words, "--output", "out.parquet")
    table = pyarrow.parquet.read_table("out.parquet")
    assert (table.num_rows, table.num_columns) == (2, columns)
    run(*words, "--output", "out.data", "--format", "csv")
    rows = csv_rows("out.data")
    assert [row["symbol"] for row in rows] == table["symbol"].to_pylist() == ["AAPL", "MSFT"]


@pytest.mark.parametrize("words", [("history",), ("history", "--every", "1d"), ("latest",), ("stats",)], ids=" ".join)
def test_a_symbol_that_is_named_twice_is_read_once(run: Run, words: tuple[str, ...]) -> None:
    once, twice = (run(*words, *names, "--format", "csv").stdout for names in (("MSFT",), ("MSFT", "MSFT")))
    assert once == twice


def test_statistics_can_be_a_file_too(run: Run) -> None:
    printed = json.loads(run("stats", "MSFT", "XYZ", "--format", "json").stdout)
    done = run("stats", "MSFT", "XYZ", "--output", "out.parquet")
    assert done.stderr.splitlines() == ["wrote 1 row to out.parquet", "no stored prices for XYZ in this time range"]
    [row] = pyarrow.parquet.read_table("out.parquet").to_pylist()
    assert (row["symbol"], row["highest"], row["return"]) == (
        "MSFT",
        Decimal(printed[0]["highest"]),
        printed[0]["return"],
    )
    run("stats", "MSFT", "--output", "out.txt")
    assert Path("out.txt").read_text().split()[:2] == ["statistic", "MSFT"]


def test_a_file_without_rows_is_valid_and_the_command_says_so(run: Run) -> None:
    done = run("history", "XYZ", "--output", "out.csv")
    assert done.stderr == "no stored prices for XYZ in this time range\nwrote 0 rows to out.csv\n"
    assert Path("out.csv").read_text().startswith("symbol,as_of,price")
    run("history", "XYZ", "--output", "out.parquet")
    assert pyarrow.parquet.read_table("out.parquet").num_rows == 0


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--output", "out.xls"), "choose --format"),
        (("--plot", "--output", "out.csv"), "cannot be combined with --plot"),
        (("--plot", "--format", "csv"), "cannot be combined with --plot"),
        (("--plot", "chart.gif"), "does not end with .png"),
        (("--tz", "UTC"), "needs --every"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_told_before_anything_is_written(run: Run, words: tuple[str, ...], reason: str) -> None:
    assert reason in " ".join(run("history", "AAPL", *words, status=2).stderr.split())
    assert list(Path().iterdir()) == []


def test_a_folder_and_a_missing_folder_are_named(run: Run, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a folder"):
        run("history", "AAPL", "--output", str(tmp_path))
    with pytest.raises(OutputError, match="create it first"):
        run("history", "AAPL", "--output", "missing/out.csv")


@pytest.mark.parametrize("library", ["pyarrow", "matplotlib"])
def test_a_missing_library_is_named_with_the_command_that_installs_it(
    run: Run, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (library, "matplotlib.figure", "matplotlib.backends.backend_agg"):
        monkeypatch.setitem(__import__("sys").modules, module, None)
    words = {"pyarrow": ("--output", "out.parquet"), "matplotlib": ("--plot", "out.png")}[library]
    with pytest.raises(
        MissingLibrary, match=rf"{library}, .*: \.venv/bin/python -m pip install -r requirements-analysis\.txt"
    ):
        run("history", "AAPL", *words)
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ("MSFT", "--every", "1d", "--plot"),
        ("MSFT", "--plot", "--every", "1d", "--tz", "America/New_York"),
        ("--plot", "MSFT", "AAPL"),
    ],
    ids=" ".join,
)
def test_a_chart_is_drawn_in_the_terminal(run: Run, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    lines = run("history", *words).stdout.splitlines()
    assert len(lines) == 22
    assert all(len(line) <= 80 and line.isprintable() for line in lines)
    assert "MSFT" in lines[0]
    assert "price in USD" in lines[0]
    assert ("America/New_York" if "--tz" in words else "UTC") in lines[0]
    assert ("█" in "".join(lines)) is ("AAPL" not in words)


@pytest.mark.parametrize(
    ("words", "name", "start"),
    [
        (("MSFT", "--every", "1d"), "candles.png", b"\x89PNG"),
        (("AAPL", "MSFT", "--tz", "America/New_York"), "lines.png", b"\x89PNG"),
        (("MSFT", "--every", "1w"), "vector.svg", b"<?xml"),
        (("AAPL", "--limit", "1"), "one.PDF", b"%PDF"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_picture_is_drawn_in_a_file(run: Run, words: tuple[str, ...], name: str, start: bytes) -> None:
    assert run("history", *words, "--plot", name).stderr == f"drew {name}\n"
    assert Path(name).read_bytes().startswith(start)
    assert [each.name for each in Path().iterdir()] == [name]


def test_a_chart_without_prices_is_an_error(run: Run) -> None:
    with pytest.raises(OutputError, match="no stored prices for XYZ in this time range"):
        run("history", "XYZ", "--plot")
