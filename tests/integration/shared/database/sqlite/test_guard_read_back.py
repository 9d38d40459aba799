"""A SQLite file that changed while it was open: the last batch is read back from it before writing goes on."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine

from shared.database.engine import check_files
from shared.errors import StorageDamaged, StorageReopened, StorageUnavailable
from tests.watched_file import (
    ROWS,
    add_and_read_back,
    beside,
    copy_of,
    cut_to_half,
    empty,
    in_another_process,
    locked_in_its_place,
    overwrite_with_garbage,
    remove_wal,
    stored,
)


def touch(path: Path) -> None:
    path.touch()


def remove_wal_index(path: Path) -> None:
    beside(path, "-shm").unlink()


def remove_the_batch_and_touch(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("delete from numbers where number >= 7000")
    path.touch()


@pytest.mark.usefixtures("no_check_of_whole_files")
@pytest.mark.parametrize("change", [touch, remove_wal, remove_wal_index])
def test_writing_goes_on_at_once_if_the_last_batch_can_be_read_back(
    checkpointed: Engine, path: Path, caplog: pytest.LogCaptureFixture, change: Callable[[Path], None]
) -> None:
    add_and_read_back(checkpointed, 7000)
    change(path)
    add_and_read_back(checkpointed, 7001)
    assert "while in use: opened the file that is there now; what was stored last is in it" in caplog.text
    checkpointed.dispose()
    assert stored(path) == {*range(ROWS + 10), 7000, 7001}


@pytest.mark.usefixtures("no_check_of_whole_files")
@pytest.mark.parametrize("change", [touch, remove_wal, remove_wal_index])
def test_a_change_during_the_transaction_is_passed_over_if_its_own_rows_can_be_read_back(
    checkpointed: Engine, path: Path, change: Callable[[Path], None]
) -> None:
    add_and_read_back(checkpointed, 7000, lambda: change(path))
    checkpointed.dispose()
    assert stored(path) == {*range(ROWS + 10), 7000}


@pytest.mark.usefixtures("large_files")
@pytest.mark.parametrize("harm", [empty, overwrite_with_garbage])
def test_rows_that_were_lost_with_the_wal_have_to_be_stored_again(
    checkpointed: Engine, path: Path, harm: Callable[[Path], None]
) -> None:
    with pytest.raises(StorageReopened, match="-wal file that was overwritten"):
        add_and_read_back(checkpointed, 7000, lambda: in_another_process(harm, beside(path, "-wal")))
    add_and_read_back(checkpointed, 7000)
    assert stored(path) == {*range(ROWS), 7000}


@pytest.mark.usefixtures("large_files")
def test_rows_are_lost_if_the_last_batch_is_not_read_back(
    checkpointed: Engine, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control of the test above."""
    monkeypatch.setattr("shared.database.sqlite.guard.reads_back", lambda *_: True)
    add_and_read_back(checkpointed, 7000, lambda: in_another_process(empty, beside(path, "-wal")))
    assert stored(path) == set(range(ROWS))


@pytest.mark.usefixtures("large_files")
def test_a_whole_file_without_the_last_batch_is_checked_and_used(checkpointed: Engine, path: Path) -> None:
    add_and_read_back(checkpointed, 7000)
    remove_the_batch_and_touch(path)
    with pytest.raises(StorageReopened):
        add_and_read_back(checkpointed, 7001)
    add_and_read_back(checkpointed, 7001)
    assert stored(path) == {*range(ROWS + 10), 7001}


@pytest.mark.usefixtures("large_files")
@pytest.mark.parametrize("harm", [cut_to_half, empty, overwrite_with_garbage])
def test_a_large_file_that_lost_its_header_or_end_is_not_written_to(
    checkpointed: Engine, path: Path, harm: Callable[[Path], None]
) -> None:
    add_and_read_back(checkpointed, 7000)
    in_another_process(harm, path)
    with pytest.raises(StorageDamaged, match="stop the consumers, then put back a copy"):
        add_and_read_back(checkpointed, 7001)


def overwrite_all_but_the_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))


@pytest.mark.usefixtures("large_files")
def test_a_large_file_from_which_the_last_batch_cannot_be_read_is_not_written_to(engine: Engine, path: Path) -> None:
    add_and_read_back(engine, 7000)
    with closing(sqlite3.connect(path)) as other:
        other.execute("pragma wal_checkpoint(truncate)")
    check_files(engine)
    in_another_process(overwrite_all_but_the_header, path)
    with pytest.raises(StorageDamaged, match="written to by another program"):
        add_and_read_back(engine, 7001)


@pytest.mark.usefixtures("large_files")
def test_another_file_is_another_one_even_if_it_has_the_last_batch(checkpointed: Engine, path: Path) -> None:
    """The ids that a consumer remembers may be others in a copy."""
    add_and_read_back(checkpointed, 7000)
    copy_of(path).rename(path)
    with pytest.raises(StorageReopened, match="was replaced by another file"):
        add_and_read_back(checkpointed, 7001)


@pytest.mark.usefixtures("no_check_of_whole_files")
def test_a_batch_that_cannot_be_read_back_because_of_a_lock_is_read_back_later(
    checkpointed: Engine, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.database.sqlite.damage.BUSY_TIMEOUT", 0.1)
    add_and_read_back(checkpointed, 7000)
    copy = copy_of(path)
    with locked_in_its_place(copy, path):
        for _ in range(2):
            with pytest.raises(StorageUnavailable, match="locked"):
                add_and_read_back(checkpointed, 7001)
    with pytest.raises(StorageReopened):
        add_and_read_back(checkpointed, 7001)
