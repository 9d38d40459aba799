"""Every SQL query of the pages, on a large history: quick by index, and with the values of the command below it."""

import json
import re
import shlex
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import pairwise
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
from shared.events import StockData
from shared.settings import ROOT
from shared.times import parse_instant, to_micros
from tests.documents import PAGES, Block, blocks
from tests.event_factories import changed, stock_data

QUERIES_PAGE = ROOT / "docs" / "queries.md"
DAY = datetime(2026, 11, 20, tzinfo=UTC)
FURTHER_SYMBOLS = 40
ROWS_EACH = 2_500

SQL_BLOCKS = [block for page in PAGES for block in blocks(page) if block.language == "sql"]
IN_SHELL = [
    (block.place, words[2])
    for page in PAGES
    for block in blocks(page)
    if block.language == "sh"
    for line in block.commands()
    if line.startswith("sqlite3") and len(words := shlex.split(line)) == 3 and "history.db" in words[1]
]
DOCUMENTED = [(block.place, block.text) for block in SQL_BLOCKS] + IN_SHELL
QUESTIONS = [
    (query, command)
    for query, command in pairwise(blocks(QUERIES_PAGE))
    if query.language == "sql" and command.language == "sh"
]


def quotes() -> Iterator[StockData]:
    for symbol in ("AAPL", "MSFT"):
        for number in range(300):
            price = Decimal(18_000 + (37 * number) % 900) / 100
            yield stock_data(symbol, price, DAY + timedelta(minutes=7 * number + 3), "yahoo", volume=number)


def bars() -> Iterator[StockData]:
    for day in range(90):
        bar = stock_data("MSFT", Decimal(400 + day % 11), DAY - timedelta(days=90 - day), "yahoo", interval="1d")
        yield changed(
            bar, open=Decimal(401), high=Decimal(415 + day % 5), low=Decimal(390 - day % 3), volume=1_000 + day
        )


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history in which the symbols of the pages have few of many rows."""
    path = tmp_path_factory.mktemp("queries") / "history.db"
    with opened(DatabaseUrl(f"sqlite:///{path}").engine_url) as engine:
        create_schema(engine, SCHEMA)
        PriceStore(engine).save([*quotes(), *bars()])
    first = to_micros(DAY) - ROWS_EACH * 60_000_000
    with sqlite3.connect(path) as connection:
        connection.execute(
            "INSERT INTO split (symbol, day, new_shares, old_shares) VALUES ('AAPL', '2020-08-31', 4, 1)"
        )
        for number in range(FURTHER_SYMBOLS):
            insert = "INSERT INTO series (symbol, provider) VALUES (?, 'yahoo') RETURNING id"
            [[series_id]] = connection.execute(insert, (f"S{number}",)).fetchall()
            rows = ((series_id, first + row * 60_000_000, 1 + row) for row in range(ROWS_EACH))
            connection.executemany("INSERT INTO quote (series_id, as_of, price, lag) VALUES (?, ?, ?, 0)", rows)
    connection.close()
    return path


@pytest.fixture
def connection(database: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(database)
    yield connection
    connection.close()


def reads_the_whole_table(connection: sqlite3.Connection, sql: str) -> str:
    """Return what shows that a query reads all prices, or nothing."""
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}")]
    scans = [step for step in plan if re.match(r"SCAN (quote|bar)\b", step)]
    if scans:
        return scans[0]
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 100
        return 0

    connection.set_progress_handler(count, 100)
    connection.execute(sql).fetchall()
    # A row takes several steps of SQLite's virtual machine.
    return f"{steps} steps" if steps > FURTHER_SYMBOLS * ROWS_EACH else ""


def test_the_pages_have_queries() -> None:
    assert len(SQL_BLOCKS) >= 10
    assert len(IN_SHELL) >= 1
    assert len(QUESTIONS) >= 10


@pytest.mark.parametrize(("place", "sql"), DOCUMENTED, ids=[place for place, _ in DOCUMENTED])
def test_a_documented_query_does_not_read_the_whole_table(connection: sqlite3.Connection, place: str, sql: str) -> None:
    assert reads_the_whole_table(connection, sql) == "", place


@pytest.mark.parametrize(
    "sql",
    [
        "select * from price_history order by as_of desc limit 10",
        "select * from price_history where as_of > '2026-11-20'",
        "select count(*) from quote",
        "select max(as_of) from quote",
    ],
)
def test_a_query_that_reads_the_whole_table_is_found(connection: sqlite3.Connection, sql: str) -> None:
    assert reads_the_whole_table(connection, sql) != ""


@pytest.mark.parametrize(("query", "command"), QUESTIONS, ids=[query.place for query, _ in QUESTIONS])
def test_the_command_gives_the_values_of_the_query(
    connection: sqlite3.Connection, database: Path, query: Block, command: Block, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOCKWIRE_HISTORY_URL", f"sqlite:///{database}")
    cursor = connection.execute(query.text)
    names = [column[0] for column in cursor.description]
    expected = [tuple(map(comparable, row)) for row in cursor]
    [line] = command.commands()
    done = CliRunner().invoke(cli, [*shlex.split(line)[1:], "--format", "json"])
    assert done.exit_code == 0, done.output
    printed = [tuple(comparable(row[name]) for name in names) for row in json.loads(done.stdout)]
    assert expected, query.place
    if "limit 10" in query.text and "latest" in line:
        # The command lists all symbols.
        assert set(expected) <= set(printed)
    else:
        assert sorted(printed, key=str) == sorted(expected, key=str)


def comparable(value: Any) -> Any:
    """Return a number as a decimal and a time as an instant, whatever their text is."""
    try:
        return parse_instant(value) if isinstance(value, str) and "T" in value else Decimal(str(value)).normalize()
    except (InvalidOperation, ValueError):
        return value
