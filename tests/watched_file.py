"""A SQLite file with numbers, which a test changes behind the back of its engine."""

import multiprocessing
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from shared.database.engine import writing

# More than one page, so that the rows do not fit into the part of a file that a test leaves in place.
ROWS = 2000


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


@contextmanager
def locked_in_its_place(copy: Path, path: Path) -> Iterator[None]:
    """Move a copy to the place of the file for one block, while another connection has it locked."""
    with closing(sqlite3.connect(copy, isolation_level=None)) as other:
        other.execute("pragma locking_mode=exclusive")
        other.execute("begin exclusive")
        copy.rename(path)
        yield


def beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def in_another_process(change: Callable[[Path], object], path: Path) -> None:
    """Change a file. In this process that would drop the locks of SQLite."""
    child = multiprocessing.get_context("fork").Process(target=change, args=(path,))
    child.start()
    child.join()
    assert child.exitcode == 0


def remove_with_wal(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        beside(path, suffix).unlink()


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


def remove_wal(path: Path) -> None:
    beside(path, "-wal").unlink()
    beside(path, "-shm").unlink()
