"""A SQLite file that other programs remove, move, replace, overwrite or cut while it is open."""

import multiprocessing
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.engine import make_url

from shared.database.engine import check_files, opened, reading, writing
from shared.database.sqlite.files import SqliteFiles
from shared.database.sqlite.reading import close_without_checkpoint
from shared.errors import StorageDamaged, StorageReopened, StorageUnavailable

# More than one page, so that the rows do not fit into the part of a file that a test leaves in place.
ROWS = 2000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "numbers.db"


@pytest.fixture
def engine(path: Path) -> Iterator[Engine]:
    with opened(make_url(f"sqlite:///{path}")) as engine:
        add(engine, *range(ROWS))
        yield engine


def add(engine: Engine, *numbers: int) -> None:
    with writing(engine) as connection:
        connection.execute(text("create table if not exists numbers (number integer primary key, words text)"))
        rows = [{"number": number, "words": f"the number {number}"} for number in numbers]
        connection.execute(text("insert or ignore into numbers values (:number, :words)"), rows)


def add_and_read_back(engine: Engine, number: int, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Add a row that the guard can find again, as the stores of the consumers do."""
    found = text("select 1 from numbers where number = :number")

    def read_back(connection: Connection) -> bool:
        return bool(connection.scalar(found, {"number": number}))

    with writing(engine, read_back) as connection:
        connection.execute(text("insert into numbers values (:number, '')"), {"number": number})
        meanwhile()


def stored(path: Path) -> set[int]:
    """Return the rows as another program finds them, in a database without damage."""
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("pragma integrity_check").fetchall() == [("ok",)]
        return {number for (number,) in database.execute("select number from numbers")}


def copy_of(path: Path) -> Path:
    copy = path.with_name("copy.db")
    with closing(sqlite3.connect(path)) as database:
        database.execute("vacuum into ?", (str(copy),))
    return copy


def beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def in_another_process(change: Callable[[Path], object], path: Path) -> None:
    """Change a file. In this process that would drop the locks of SQLite."""
    child = multiprocessing.get_context("fork").Process(target=change, args=(path,))
    child.start()
    child.join()
    assert child.exitcode == 0


def read_and_close(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("select 1 from numbers").fetchone()


def remove(path: Path) -> None:
    path.unlink()


def remove_with_wal(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        beside(path, suffix).unlink()


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


def cut_to_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def overwrite_with_garbage(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(os.urandom(path.stat().st_size))


def overwrite_the_middle(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(8192))


@pytest.fixture
def checkpointed(engine: Engine) -> Engine:
    """The engine with some rows in the database, some in its WAL."""
    with reading(engine) as connection:
        connection.exec_driver_sql("pragma wal_checkpoint")
    add(engine, *range(ROWS, ROWS + 10))
    return engine


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


def touch(path: Path) -> None:
    path.touch()


def remove_wal(path: Path) -> None:
    beside(path, "-wal").unlink()
    beside(path, "-shm").unlink()


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
    with closing(sqlite3.connect(copy, isolation_level=None)) as other:
        other.execute("pragma locking_mode=exclusive")
        other.execute("begin exclusive")
        copy.rename(path)
        for _ in range(2):
            with pytest.raises(StorageUnavailable, match="locked"):
                add_and_read_back(checkpointed, 7001)
    with pytest.raises(StorageReopened):
        add_and_read_back(checkpointed, 7001)


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


def test_a_file_that_is_locked_when_it_has_to_be_checked_is_checked_later(
    checkpointed: Engine, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.database.sqlite.damage.BUSY_TIMEOUT", 0.1)
    copy = copy_of(path)
    in_another_process(overwrite_the_middle, copy)
    with closing(sqlite3.connect(copy, isolation_level=None)) as other:
        other.execute("pragma locking_mode=exclusive")
        other.execute("begin exclusive")
        copy.rename(path)
        for _ in range(2):
            with pytest.raises(StorageUnavailable, match="locked"):
                add(checkpointed, 7000)
    with pytest.raises(StorageDamaged):
        add(checkpointed, 7000)


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
