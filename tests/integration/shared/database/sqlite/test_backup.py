"""Copies of a SQLite database that is in use."""

import fcntl
import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shared.database.sqlite.backup import back_up, check_target
from shared.errors import StorageDamaged, StorageError

ROWS = 20_000


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("shared.database.sqlite.backup._PAGES", 20)
    path = tmp_path / "source.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE number (n INTEGER PRIMARY KEY, half INTEGER, text TEXT)")
        rows = ((n, n // 2, "x" * 100) for n in range(ROWS))
        database.executemany("INSERT INTO number VALUES (?, ?, ?)", rows)
        database.commit()
    return path


def ignore(_done: float) -> None: ...


def read(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(sql).fetchall()


def files(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def test_a_copy_is_one_file_with_everything_and_the_permissions_of_the_database(source: Path, tmp_path: Path) -> None:
    source.chmod(0o600)
    target = tmp_path / "new" / "copy.db"
    seen: list[float] = []
    size = back_up(source, target, seen.append)
    assert files(target.parent) == {"copy.db"}
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert size == target.stat().st_size
    assert read(target, "PRAGMA journal_mode") == [("delete",)]
    assert read(target, "SELECT count(*), sum(half) FROM number") == read(
        source, "SELECT count(*), sum(half) FROM number"
    )
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert len(seen) > 1, "the copy was made in one step"


@pytest.fixture
def writer(source: Path) -> Iterator[list[int]]:
    """Add pairs of rows, each pair in a transaction, during the test. The list has the number of the last pair."""
    done = threading.Event()
    last = [ROWS]

    def write() -> None:
        with closing(sqlite3.connect(source, isolation_level=None)) as database:
            while not done.is_set():
                database.execute("BEGIN IMMEDIATE")
                for n in (last[0], last[0] + 1):
                    database.execute("INSERT INTO number VALUES (?, ?, ?)", (n, n // 2, "y" * 100))
                database.execute("COMMIT")
                last[0] += 2

    thread = threading.Thread(target=write)
    thread.start()
    yield last
    done.set()
    thread.join()


def test_a_copy_during_writes_has_whole_transactions_up_to_its_begin(
    source: Path, tmp_path: Path, writer: list[int]
) -> None:
    begin = last = 0
    for number in range(3):
        begin = writer[0]
        back_up(source, tmp_path / f"{number}.db", ignore)
        [(count, last)] = read(tmp_path / f"{number}.db", "SELECT count(*), max(n) FROM number")
        assert isinstance(last, int)
        assert count == last + 1
        assert count % 2 == 0, "half of a transaction"
        assert last >= begin - 1, "a row that was committed before is missing"
    assert writer[0] > last, "the writer was stopped by the copy"


def test_a_copy_that_fails_leaves_the_old_one_and_no_file(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "copies" / "copy.db"
    back_up(source, target, ignore)
    before = target.read_bytes()
    with source.open("r+b") as file:
        file.seek(source.stat().st_size // 2)
        file.write(b"\xff" * 50_000)
    with pytest.raises(StorageDamaged, match=r"is damaged .* no copy was made.*put back a copy"):
        back_up(source, target, ignore)
    assert target.read_bytes() == before
    assert files(target.parent) == {"copy.db"}


def test_an_interrupted_copy_leaves_no_file(source: Path, tmp_path: Path) -> None:
    def interrupt(_done: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(source, tmp_path / "copies" / "copy.db", interrupt)
    assert files(tmp_path / "copies") == set()


def test_the_file_of_a_killed_backup_is_used_again(source: Path, tmp_path: Path) -> None:
    (tmp_path / ".copy.db.part").write_bytes(b"half of a database")
    back_up(source, tmp_path / "copy.db", ignore)
    assert read(tmp_path / "copy.db", "SELECT count(*) FROM number") == [(ROWS,)]
    assert files(tmp_path) == {"source.db", "copy.db"}


def test_two_backups_to_one_name_do_not_mix(source: Path, tmp_path: Path) -> None:
    with (tmp_path / ".copy.db.part").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(StorageError, match=r"copy\.db is being written by another process"):
            back_up(source, tmp_path / "copy.db", ignore)


def test_a_folder_that_cannot_be_made_is_one_line(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"backup .*/file/copy\.db cannot be written: .*move it away"):
        back_up(source, tmp_path / "file" / "copy.db", ignore)


def test_the_target_must_be_a_name_of_its_own(source: Path, tmp_path: Path) -> None:
    (tmp_path / "copy.db").touch()
    with pytest.raises(StorageError, match=r"copy\.db exists: give another name, or --force"):
        check_target(source, tmp_path / "copy.db", replaces=False)
    check_target(source, tmp_path / "copy.db", replaces=True)
    (tmp_path / "link.db").symlink_to(source)
    os.link(source, tmp_path / "hard.db")
    for name in ("source.db", "link.db", "hard.db"):
        with pytest.raises(StorageError, match="is the database itself"):
            check_target(source, tmp_path / name, replaces=True)
    with pytest.raises(StorageError, match="is a folder"):
        check_target(source, tmp_path, replaces=True)


def test_a_copy_that_is_in_use_is_not_replaced(source: Path, tmp_path: Path) -> None:
    """SQLite would apply the WAL of the old copy to the new one."""
    target = tmp_path / "copy.db"
    back_up(source, target, ignore)
    with closing(sqlite3.connect(target)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("DELETE FROM number")
        with pytest.raises(StorageError, match=r"in use or was not closed \(copy\.db-wal is beside it\)"):
            check_target(source, target, replaces=True)
