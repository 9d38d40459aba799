"""Backups and the removal of old quotes, beside a consumer under load and with kills in between."""

import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from consumers.history.store import PriceStore
from consumers.history.tables import SCHEMA
from shared.database.engine import opened
from shared.database.schema import create_schema
from tests.event_factories import price_series
from tests.faults.assertions import assert_eventually
from tests.faults.ledger import PromiseBroken, assert_none, read_history
from tests.faults.load import Load, prices
from tests.faults.markers import control, fault
from tests.faults.mounts import small_disk
from tests.faults.pipeline import Pipeline
from tests.forked_processes import forked, stockwire

EVENTS = 10_000
RATE = 4_000
OLD = 40_000
# Before the prices of the load.
BEFORE = "2024-11-19"


def count(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        found: int = database.execute("SELECT count(*) FROM price_history").fetchone()[0]
        return found


def add_old_quotes(path: Path) -> None:
    """Store quotes of 2020 of the symbols AAPL and OLD."""
    with opened(make_url(f"sqlite:///{path}")) as engine:
        create_schema(engine, SCHEMA)
        for symbol in ("AAPL", "OLD"):
            start = price_series(["1"])[0].as_of.replace(year=2020)
            PriceStore(engine).save(price_series(["1"] * (OLD // 2), symbol=symbol, start=start))


def check_copies(copies: list[tuple[int, Path]], stored: set[object]) -> None:
    """Check that each copy has all rows that were stored before it began, and only rows of the database."""
    for before, path in copies:
        rows = set(read_history(path))
        if len(rows) < before:
            raise PromiseBroken(f"{path.name} has {len(rows)} rows, and {before} were stored before it")
        assert_none("rows that only a copy has", rows - stored)


def back_up_under_load(pipeline: Pipeline, folder: Path, copy: str = "backup") -> None:
    pipeline.declare("history")
    copies: list[tuple[int, Path]] = []
    load = Load(pipeline.address, prices(EVENTS), rate=RATE)
    with pipeline.consuming("history") as process, load:
        assert_eventually(pipeline.stored, "the first prices")
        while load.running:
            target = folder / f"{len(copies)}.db"
            before = pipeline.stored()
            if copy == "backup":
                done = stockwire("backup", str(target), environment=pipeline.environment)
                assert (done.returncode, done.stderr) == (0, "")
            else:
                shutil.copy(pipeline.history, target)
            copies.append((before, target))
        ledger = load.finish()
        pipeline.drain("history", process)
    pipeline.check_history(ledger)
    check_copies(copies, set(read_history(pipeline.history)))


@fault
def test_copies_made_while_a_consumer_stores_are_complete(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "copies").mkdir()
    back_up_under_load(pipeline, tmp_path / "copies")


@control
def test_control(pipeline: Pipeline, tmp_path: Path) -> None:
    """`cp` leaves out what is still in the WAL."""
    (tmp_path / "copies").mkdir()
    back_up_under_load(pipeline, tmp_path / "copies", "cp")


@fault
def test_a_killed_backup_leaves_the_old_copy_and_the_next_one_works(pipeline: Pipeline, tmp_path: Path) -> None:
    add_old_quotes(pipeline.history)
    target = tmp_path / "copy.db"
    assert stockwire("backup", str(target), environment=pipeline.environment).returncode == 0
    before = target.read_bytes()
    part = tmp_path / ".copy.db.part"
    kills = 0
    for _ in range(20):
        command = ("./stockwire", "backup", str(target), "--force")
        with forked(*command, environment=pipeline.environment) as process:
            while process.running and not (part.exists() and part.stat().st_size):
                time.sleep(0.001)
            process.send(signal.SIGKILL)
            process.wait()
        assert count(target) == OLD
        kills += part.exists()
    assert kills, "no backup was killed in the middle"
    assert stockwire("backup", str(target), "--force", environment=pipeline.environment).returncode == 0
    assert not part.exists()
    assert len(target.read_bytes()) == len(before)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", "1m") as folder:
        yield folder


@fault
def test_a_backup_to_a_full_disk_is_one_line_and_leaves_nothing(pipeline: Pipeline, full_disk: Path) -> None:
    add_old_quotes(pipeline.history)
    done = stockwire("backup", str(full_disk / "copy.db"), environment=pipeline.environment)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "cannot be written: the disk is full: make room on it" in done.stderr
    assert list(full_disk.iterdir()) == []
    assert count(pipeline.history) == OLD


@fault
def test_prune_that_is_killed_again_and_again_beside_a_consumer_loses_nothing_new(pipeline: Pipeline) -> None:
    add_old_quotes(pipeline.history)
    pipeline.declare("history")
    kills = 0
    command = ("./stockwire", "prune", "--older-than", BEFORE)
    with pipeline.consuming("history") as process, Load(pipeline.address, prices(EVENTS), rate=RATE) as load:
        assert_eventually(lambda: pipeline.stored() != OLD, "the first prices")
        for _ in range(5):
            left = old_quotes(pipeline.history)
            with forked(*command, environment=pipeline.environment) as prune:
                while prune.running and old_quotes(pipeline.history) == left:
                    time.sleep(0.001)
                prune.send(signal.SIGKILL)
                prune.wait()
            kills += 0 < old_quotes(pipeline.history) < left
        done = stockwire(*command[1:], environment=pipeline.environment)
        assert (done.returncode, done.stderr) == (0, "")
        assert old_quotes(pipeline.history) == 0
        ledger = load.finish()
        pipeline.drain("history", process)
    assert kills, "prune was never killed in the middle"
    pipeline.check_history(ledger)
    assert count(pipeline.history) == EVENTS


@fault
def test_the_consumer_removes_old_quotes_by_itself_once_no_event_waits(pipeline: Pipeline) -> None:
    add_old_quotes(pipeline.history)
    pipeline.declare("history")
    pipeline.settings["STOCKWIRE_RETENTION"] = "1d"
    with pipeline.consuming("history") as process:
        assert_eventually(lambda: old_quotes(pipeline.history) < OLD, "the first removal")
        process.stop(signal.SIGKILL)
    assert count(pipeline.history) == old_quotes(pipeline.history)
    with pipeline.consuming("history") as process:
        process.wait_for("quotes that were older than 1d")
    assert count(pipeline.history) == 0


def old_quotes(path: Path) -> int:
    with closing(sqlite3.connect(path, timeout=30)) as database:
        sql = "SELECT count(*) FROM quote WHERE as_of < unixepoch(?) * 1000000"
        found: int = database.execute(sql, (BEFORE,)).fetchone()[0]
        return found
