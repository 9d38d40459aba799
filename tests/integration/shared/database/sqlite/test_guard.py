"""A SQLite file that other programs remove, move, replace or lock while it is open."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url

from shared.database.engine import opened, writing
from shared.database.sqlite.files import SqliteFiles
from shared.database.sqlite.reading import close_without_checkpoint
from shared.errors import StorageReopened
from tests.watched_file import ROWS, add, beside, copy_of, in_another_process, remove_with_wal, stored


def read_and_close(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("select 1 from numbers").fetchone()


def remove(path: Path) -> None:
    path.unlink()


def move_all(path: Path) -> None:
    (path.parent / "old").mkdir()
    for suffix in ("", "-wal", "-shm"):
        beside(path, suffix).rename(path.parent / "old" / beside(path, suffix).name)


def move_the_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


@pytest.mark.parametrize("change", [remove, remove_with_wal, move_all, move_the_folder])
def test_rows_go_to_a_new_file_after_the_file_is_gone(
    engine: Engine, path: Path, change: Callable[[Path], None]
) -> None:
    change(path)
    with pytest.raises(StorageReopened, match="was removed or moved while in use"):
        add(engine, ROWS)
    add(engine, ROWS)
    assert stored(path) == {ROWS}


def test_a_file_that_goes_away_during_a_transaction_is_noticed_after_the_commit(engine: Engine, path: Path) -> None:
    def remove_while_writing() -> None:
        with writing(engine) as connection:
            connection.execute(text("insert into numbers values (7000, '')"))
            remove_with_wal(path)

    with pytest.raises(StorageReopened):
        remove_while_writing()


def test_a_file_moved_alone_takes_the_rows_of_its_wal_along(engine: Engine, path: Path) -> None:
    moved = path.with_name("moved.db")
    path.rename(moved)
    with pytest.raises(StorageReopened):
        add(engine, ROWS)
    add(engine, ROWS)
    assert stored(moved) == set(range(ROWS))
    assert stored(path) == {ROWS}


def test_rows_survive_the_removal_of_the_wal(engine: Engine, path: Path) -> None:
    beside(path, "-wal").unlink()
    beside(path, "-shm").unlink()
    with pytest.raises(StorageReopened, match="lost its -wal or -shm file"):
        add(engine, ROWS)
    add(engine, ROWS)
    assert stored(path) == set(range(ROWS + 1))


def test_rows_survive_the_removal_of_the_wal_index_alone(engine: Engine, path: Path) -> None:
    beside(path, "-shm").unlink()
    with pytest.raises(StorageReopened, match="lost its -wal or -shm file"):
        add(engine, ROWS)
    add(engine, ROWS)
    assert stored(path) == set(range(ROWS + 1))


def test_a_copy_put_in_the_place_of_the_file_is_used_from_then_on(engine: Engine, path: Path) -> None:
    copy = copy_of(path)
    add(engine, ROWS)
    copy.rename(path)
    with pytest.raises(StorageReopened, match="was replaced by another file"):
        add(engine, ROWS + 1)
    add(engine, ROWS + 1)
    assert stored(path) == {*range(ROWS), ROWS + 1}


def test_a_copy_put_back_before_the_engine_is_closed_stays_undamaged(path: Path) -> None:
    with opened(make_url(f"sqlite:///{path}")) as engine:
        add(engine, *range(ROWS))
        copy = copy_of(path)
        add(engine, *range(ROWS, 2 * ROWS))
        copy.rename(path)
    assert stored(path) == set(range(ROWS))


@pytest.mark.usefixtures("no_check_of_whole_files")
def test_a_checkpoint_of_another_process_in_the_middle_of_a_check_is_no_change(
    engine: Engine, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = SqliteFiles._stats
    with closing(sqlite3.connect(path, isolation_level=None)) as other:

        def look_and_checkpoint(files: SqliteFiles) -> object:
            stats = look(files)
            other.execute("pragma wal_checkpoint")
            return stats

        with monkeypatch.context() as patch:
            patch.setattr(SqliteFiles, "_stats", look_and_checkpoint)
            for number in range(ROWS, ROWS + 20):
                add(engine, number)
    assert len(stored(path)) == ROWS + 20


def test_checkpoints_and_writers_of_other_processes_are_no_change(engine: Engine, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        for number in range(ROWS, ROWS + 200):
            add(engine, number)
            other.execute("insert into numbers values (?, '')", (number + 5000,))
            if number % 3 == 0:
                other.execute("pragma wal_checkpoint")
            if number % 50 == 0:
                other.execute("pragma wal_checkpoint(truncate)")
                other.execute("vacuum")
    assert len(stored(path)) == ROWS + 400


def test_a_symbolic_link_that_names_another_file_is_followed(tmp_path: Path, path: Path) -> None:
    link, other = tmp_path / "link.db", tmp_path / "other.db"
    link.symlink_to(path)
    with opened(make_url(f"sqlite:///{link}")) as engine:
        add(engine, 1)
        link.unlink()
        link.symlink_to(other)
        with pytest.raises(StorageReopened):
            add(engine, 2)
        add(engine, 2)
    assert (stored(path), stored(other)) == ({1}, {2})


def test_locks_are_kept_after_a_check(engine: Engine, path: Path) -> None:
    """Closing a descriptor of the file would drop them, and another process could remove the WAL."""
    add(engine, ROWS)
    in_another_process(read_and_close, path)
    assert beside(path, "-wal").exists()
    add(engine, ROWS + 1)


def test_a_connection_closed_without_a_checkpoint_leaves_its_wal(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("pragma journal_mode=wal")
    database.execute("create table numbers (number integer primary key)")
    before = path.read_bytes()
    close_without_checkpoint(database)
    assert path.read_bytes() == before
    assert beside(path, "-wal").stat().st_size
    assert stored(path) == set()
