"""Reading a SQLite database without write permission on the file and its folder."""

import multiprocessing
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from shared.database.engine import opened_for_reading, reading
from shared.database.reader import open_reader
from shared.database.sqlite.reading import close_without_checkpoint, database_exists
from shared.database.url import DatabaseUrl
from shared.errors import StorageError

NOBODY = 65_534
# Parts of the database that are there while a consumer runs, and after it was stopped or killed.
RUNNING, STOPPED, KILLED = "running", "stopped", "killed"


@pytest.fixture
def path() -> Iterator[Path]:
    """A path that every user may reach, which is not so below pytest's folder."""
    folder = Path(tempfile.mkdtemp(prefix="stockwire-reading-"))
    folder.chmod(0o755)
    yield folder / "numbers.db"
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.fixture(params=[RUNNING, STOPPED, KILLED])
def database(request: pytest.FixtureRequest, path: Path) -> Iterator[Path]:
    with closing(write_numbers(path)) as consumer:
        if request.param == STOPPED:
            consumer.close()
        if request.param == KILLED:
            close_without_checkpoint(consumer)
        yield path


def write_numbers(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("pragma journal_mode=wal")
    database.execute("create table numbers (number integer primary key)")
    database.execute("insert into numbers values (1), (2)")
    return database


def without_permission(path: Path, read: Callable[[Path], object], files: int = 0o444, folder: int = 0o555) -> None:
    """Run `read` in a process that may not write to the database and its folder, or has the given permissions."""
    for each in path.parent.iterdir():
        each.chmod(files)
    path.parent.chmod(folder)

    def run() -> None:
        if os.geteuid() == 0:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        read(path)

    child = multiprocessing.get_context("fork").Process(target=run)
    child.start()
    child.join()
    assert child.exitcode == 0


def read_by_sqlite3(path: Path) -> None:
    with open_reader(DatabaseUrl(f"sqlite:///{path}")) as reader:
        assert list(reader.select("select number from numbers")) == [(1,), (2,)]


def read_by_sqlalchemy(path: Path) -> None:
    with opened_for_reading(make_url(f"sqlite:///{path}")) as engine, reading(engine) as connection:
        assert connection.execute(text("select number from numbers")).scalars().all() == [1, 2]


@pytest.mark.parametrize("read", [read_by_sqlite3, read_by_sqlalchemy])
def test_a_database_is_read_without_write_permission(database: Path, read: Callable[[Path], None]) -> None:
    before = sorted(database.parent.iterdir())
    without_permission(database, read)
    assert sorted(database.parent.iterdir()) == before


@pytest.mark.parametrize("read", [read_by_sqlite3, read_by_sqlalchemy])
def test_reading_with_write_permission_leaves_the_wal_of_a_killed_consumer(
    path: Path, read: Callable[[Path], None]
) -> None:
    close_without_checkpoint(write_numbers(path))
    before = path.read_bytes()
    read(path)
    assert path.read_bytes() == before
    assert path.with_name("numbers.db-wal").stat().st_size


def test_a_wal_without_its_index_needs_write_permission(path: Path) -> None:
    close_without_checkpoint(write_numbers(path))
    path.with_name("numbers.db-shm").unlink()

    def read(path: Path) -> None:
        with pytest.raises(StorageError, match="was not closed, and cannot be read without write permission"):
            read_by_sqlite3(path)

    without_permission(path, read)


def test_a_file_that_is_not_there_is_not_created(path: Path) -> None:
    with pytest.raises(StorageError):
        read_by_sqlite3(path)
    with pytest.raises(StorageError):
        read_by_sqlalchemy(path)
    assert not path.exists()


def test_a_writer_is_not_kept_from_shortening_its_wal(path: Path) -> None:
    with closing(write_numbers(path)) as writer, open_reader(DatabaseUrl(f"sqlite:///{path}")) as reader:
        assert list(reader.select("select number from numbers")) == [(1,), (2,)]
        busy, *_ = writer.execute("pragma wal_checkpoint(truncate)").fetchone()
    assert busy == 0


def test_a_folder_that_may_not_be_searched_is_an_error(path: Path) -> None:
    def read(path: Path) -> None:
        with pytest.raises(StorageError, match="cannot be read: Permission denied"):
            database_exists(path)

    without_permission(path, read, folder=0o000)


def test_a_file_that_may_not_be_read_is_an_error(path: Path) -> None:
    write_numbers(path).close()

    def read(path: Path) -> None:
        with pytest.raises(StorageError, match="cannot be opened: check the permissions of file and folder"):
            read_by_sqlite3(path)

    without_permission(path, read, files=0o000)
