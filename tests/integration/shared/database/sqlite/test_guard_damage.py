"""A SQLite file that other programs overwrite or cut while it is open."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url

from shared.database.engine import opened, reading, writing
from shared.errors import StorageDamaged, StorageReopened, StorageUnavailable
from tests.watched_file import (
    ROWS,
    add,
    beside,
    copy_of,
    cut_to_half,
    empty,
    in_another_process,
    locked_in_its_place,
    overwrite_the_middle,
    overwrite_with_garbage,
    stored,
)


@pytest.mark.parametrize("harm", [cut_to_half, empty, overwrite_with_garbage, overwrite_the_middle])
def test_nothing_is_written_to_a_damaged_file(checkpointed: Engine, path: Path, harm: Callable[[Path], None]) -> None:
    in_another_process(harm, path)
    before = path.read_bytes()
    message = r"(overwritten|written to by another program .*) while in use.*stop the consumers, then put back a copy"
    with pytest.raises(StorageDamaged, match=message):
        add(checkpointed, 7000)
    checkpointed.dispose()
    assert path.read_bytes() == before


def test_damage_that_the_wal_hides_is_found(engine: Engine, path: Path) -> None:
    """All pages are in the WAL too, but a checkpoint would not copy them again."""
    with closing(sqlite3.connect(path)) as other:
        other.execute("pragma wal_checkpoint")
    in_another_process(cut_to_half, path)
    with pytest.raises(StorageDamaged):
        add(engine, 7000)


def test_a_copy_put_back_over_a_damaged_file_is_used_as_it_is(checkpointed: Engine, path: Path) -> None:
    copy = copy_of(path)
    in_another_process(overwrite_the_middle, path)
    for _ in range(2):
        with pytest.raises(StorageDamaged):
            add(checkpointed, 7000)
    shutil.copyfile(copy, path)
    add(checkpointed, 7000)
    assert stored(path) == {*range(ROWS + 10), 7000}


def test_a_file_without_damage_stays_in_use(checkpointed: Engine, path: Path) -> None:
    path.touch()
    with pytest.raises(StorageReopened, match="was written to by another program than SQLite while in use"):
        add(checkpointed, 7000)
    add(checkpointed, 7000)
    assert stored(path) == {*range(ROWS + 10), 7000}


def test_an_older_copy_written_over_the_file_is_not_mixed_with_newer_rows(path: Path) -> None:
    with opened(make_url(f"sqlite:///{path}")) as engine:
        add(engine, *range(ROWS))
        copy = copy_of(path)
        add(engine, *range(ROWS, 20 * ROWS))
        with reading(engine) as connection:
            connection.exec_driver_sql("pragma wal_checkpoint")
        add(engine, *range(20 * ROWS, 21 * ROWS))
        in_another_process(lambda path: shutil.copyfile(copy, path), path)
        with pytest.raises(StorageDamaged):
            add(engine, 70_000)
    assert stored(path) == set(range(ROWS))


def test_a_file_overwritten_during_the_transaction_that_begins_a_new_wal_is_noticed(engine: Engine, path: Path) -> None:
    with reading(engine) as connection:
        connection.exec_driver_sql("pragma wal_checkpoint")

    def overwrite_while_writing() -> None:
        with writing(engine) as connection:
            connection.execute(text("insert into numbers values (7000, '')"))
            in_another_process(cut_to_half, path)

    with pytest.raises(StorageDamaged):
        overwrite_while_writing()


@pytest.mark.parametrize("harm", [empty, overwrite_with_garbage])
def test_a_damaged_wal_is_noticed(checkpointed: Engine, path: Path, harm: Callable[[Path], None]) -> None:
    in_another_process(harm, beside(path, "-wal"))
    with pytest.raises(StorageReopened, match="-wal file that was overwritten"):
        add(checkpointed, 7000)
    add(checkpointed, 7000)
    assert stored(path) == {*range(ROWS), 7000}


def test_a_file_that_is_locked_when_it_has_to_be_checked_is_checked_later(
    checkpointed: Engine, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.database.sqlite.damage.BUSY_TIMEOUT", 0.1)
    copy = copy_of(path)
    in_another_process(overwrite_the_middle, copy)
    with locked_in_its_place(copy, path):
        for _ in range(2):
            with pytest.raises(StorageUnavailable, match="locked"):
                add(checkpointed, 7000)
    with pytest.raises(StorageDamaged):
        add(checkpointed, 7000)
