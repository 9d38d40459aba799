"""Exports in constant memory: many rows need no more than few rows."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from consumers.history.tables import SCHEMA
from shared.database.engine import opened
from shared.database.schema import create_schema
from shared.database.url import DatabaseUrl
from shared.settings import ROOT

FEW = 12_000
# Rows of which all were in memory at once would take 300 bytes each, and more.
ALLOWED_GROWTH = 10 * 1024 * 1024
RUN = """
import resource, sys
from infra.cli import cli
sys.argv[0] = "stockwire"
try:
    cli()
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("memory") / "history.db"
    with opened(DatabaseUrl(f"sqlite:///{path}").engine_url) as engine:
        create_schema(engine, SCHEMA)
    return path


def store(database: Path, symbol: str, count: int) -> None:
    with sqlite3.connect(database) as connection:
        insert = "INSERT OR IGNORE INTO series (symbol, provider, currency) VALUES (?, 'yahoo', 'USD')"
        connection.execute(insert, (symbol,))
        [[series_id]] = connection.execute("SELECT id FROM series WHERE symbol = ?", (symbol,)).fetchall()
        rows = ((series_id, 1_700_000_000_000_000 + row * 60_000_000, 100 + row % 977 / 8, row) for row in range(count))
        insert = "INSERT OR IGNORE INTO quote (series_id, as_of, price, volume, lag) VALUES (?, ?, ?, ?, 3000000)"
        connection.executemany(insert, rows)
    connection.close()


def exported(database: Path, symbol: str, output: Path) -> int:
    """Return the largest resident memory, in bytes, of a process that exports all prices of a symbol."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, "history", symbol, "--output", str(output)],
        env={**os.environ, "STOCKWIRE_HISTORY_URL": f"sqlite:///{database}", "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
        timeout=110,
    )
    return int(done.stdout)


@pytest.mark.parametrize(
    ("suffix", "count"),
    [
        ("csv", 60_000),
        pytest.param("csv", 1_000_000, marks=pytest.mark.slow),
        pytest.param("json", 1_000_000, marks=pytest.mark.slow),
        pytest.param("parquet", 1_000_000, marks=pytest.mark.slow),
    ],
)
def test_many_rows_are_exported_in_the_memory_of_few(database: Path, tmp_path: Path, suffix: str, count: int) -> None:
    # A Parquet file is written in groups of 100,000 rows.
    few = FEW if suffix != "parquet" else 200_000
    store(database, f"F{few}", few)
    store(database, f"M{count}", count)
    output = tmp_path / f"prices.{suffix}"
    before = exported(database, f"F{few}", output)
    after = exported(database, f"M{count}", output)
    if suffix == "csv":
        with output.open() as file:
            assert sum(1 for _ in file) == count + 1
    assert after - before < (ALLOWED_GROWTH if suffix != "parquet" else 3 * ALLOWED_GROWTH)
