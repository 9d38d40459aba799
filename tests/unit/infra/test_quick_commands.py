"""Quick commands import only the libraries that they use, because an import takes longer than their work."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from consumers.history.store import PriceStore
from consumers.history.tables import SCHEMA
from shared.database.engine import opened
from shared.database.schema import create_schema
from shared.database.url import DatabaseUrl
from shared.settings import ROOT
from tests.event_factories import stock_data

# The last thing that a command line does is to print the names of the modules that were imported.
RUN = """
import atexit, json, sys
sys.argv[0] = "stockwire"
atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))
from infra.cli import cli
from shared.cli.app import run
run(cli, "stockwire")
"""
SLOW = {
    "alembic",
    "amqpstorm",
    "apprise",
    "asyncio",
    "celery",
    "exchange_calendars",
    "kombu",
    "msgspec",
    "numpy",
    "pandas",
    "pamqp",
    "producer",
    "pydantic",
    "requests",
    "rich",
    "sqlalchemy",
    "ssl",
    "urllib3",
}


def imported(*words: str, database: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words],
        env={"STOCKWIRE_HISTORY_URL": f"sqlite:///{database}", "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.fixture
def database(tmp_path: Path) -> Path:
    url = DatabaseUrl(f"sqlite:///{tmp_path / 'history.db'}")
    with opened(url.engine_url) as engine:
        create_schema(engine, SCHEMA)
        PriceStore(engine).save([stock_data()])
    return tmp_path / "history.db"


@pytest.mark.parametrize(
    "words",
    [("--help",), ("consume", "--list"), ("latest", "AAPL"), ("history", "AAPL"), ("symbols",), ("stats", "AAPL")],
    ids=" ".join,
)
def test_a_quick_command_imports_nothing_slow(words: tuple[str, ...], database: Path) -> None:
    assert imported(*words, database=database) & SLOW == set()


@pytest.mark.parametrize(
    "words", [("watch", "list"), ("plan",), ("sync", "--help"), ("backfill", "--help")], ids=" ".join
)
def test_a_command_without_a_live_provider_imports_no_http_client(words: tuple[str, ...], database: Path) -> None:
    unused = {"celery", "requests", "rich", "sqlalchemy.dialects.postgresql", "urllib3"}
    assert imported(*words, database=database) & unused == set()


@pytest.mark.parametrize("words", [("notify", "list"), ("alerts", "--undelivered")], ids=" ".join)
def test_a_list_of_targets_or_alerts_imports_nothing_that_sends(words: tuple[str, ...], database: Path) -> None:
    assert imported(*words, database=database) & {"apprise", "celery", "requests", "rich", "urllib3"} == set()


def test_the_imports_of_another_command_are_seen(database: Path) -> None:
    assert imported("gaps", "AAPL", database=database) & SLOW >= {"sqlalchemy"}
