import contextlib
import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import URL, make_url

from shared.database import engine as engine_module
from shared.database.engine import open_engine, reading, redact, translate_errors, writing
from shared.errors import StorageError, StorageUnavailable


@pytest.fixture
def url(tmp_path: Path) -> URL:
    return make_url(f"sqlite:///{tmp_path}/below/prices.db")


@pytest.fixture
def engine(url: URL) -> Any:
    opened = open_engine(url)
    with writing(opened) as connection:
        connection.execute(text("create table numbers (number integer primary key)"))
    yield opened
    opened.dispose()


def numbers(engine: Any) -> list[int]:
    with reading(engine) as connection:
        return list(connection.execute(text("select number from numbers order by 1")).scalars())


def add(connection: Any, number: int) -> None:
    connection.execute(text("insert into numbers values (:number)"), {"number": number})


def test_a_file_is_made_with_its_folder_and_survives_power_loss(engine: Any, url: URL) -> None:
    """Commits survive a power loss only with WAL and synchronous=FULL (2)."""
    with reading(engine) as connection:
        found = [
            connection.exec_driver_sql(f"pragma {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert found == ["wal", 2, 1]
    assert Path(str(url.database)).exists()


def test_a_committed_row_is_there_and_a_rolled_back_row_is_not(engine: Any) -> None:
    with writing(engine) as connection:
        add(connection, 1)
    with contextlib.suppress(KeyError), writing(engine) as connection:
        add(connection, 2)
        raise KeyError
    assert numbers(engine) == [1]


def test_a_transaction_that_reads_first_can_write_after_another_one_wrote(engine: Any) -> None:
    """A transaction that begins as a reader would fail at once, even with a timeout."""
    order: list[str] = []

    def other() -> None:
        with writing(engine) as connection:
            order.append("other")
            add(connection, 2)

    with writing(engine) as connection:
        assert connection.execute(text("select count(*) from numbers")).scalar() == 0
        thread = threading.Thread(target=other)
        thread.start()
        time.sleep(0.1)
        order.append("first")
        add(connection, 1)
    thread.join()
    assert order == ["first", "other"]
    assert numbers(engine) == [1, 2]


def test_readers_and_the_writer_do_not_block_each_other(engine: Any) -> None:
    with reading(engine) as reader:
        assert reader.execute(text("select count(*) from numbers")).scalar() == 0
        with writing(engine) as writer:
            add(writer, 1)
            assert numbers(engine) == []
        assert reader.execute(text("select count(*) from numbers")).scalar() == 0
    assert numbers(engine) == [1]


def test_a_database_that_another_has_locked_passes(engine: Any, url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "BUSY_TIMEOUT", 0.1)
    short_timeout = open_engine(url)
    with writing(engine) as connection:
        add(connection, 1)
        locked = pytest.raises(StorageUnavailable, match="cannot be written for now: database is locked")
        with locked, writing(short_timeout) as late:
            add(late, 2)
    with writing(short_timeout) as connection:
        add(connection, 2)
    short_timeout.dispose()
    assert numbers(engine) == [1, 2]


def test_a_full_disk_passes_and_the_same_connection_goes_on(engine: Any) -> None:
    """SQLite's own limit of pages gives the same error as a disk without room."""
    with writing(engine) as connection:
        pages = connection.exec_driver_sql("pragma page_count").scalar()
    with engine.connect() as held:
        held.exec_driver_sql(f"pragma max_page_count={pages}")
        with pytest.raises(StorageUnavailable, match="full"), translate_errors(engine.url):
            held.exec_driver_sql("insert into numbers values (?)", [(number,) for number in range(10_000)])
        held.rollback()
        held.exec_driver_sql("pragma max_page_count=1000000")
        held.exec_driver_sql("insert into numbers values (?)", (1,))
        held.commit()
    assert numbers(engine) == [1]


def test_a_read_only_database_says_what_to_do(engine: Any, url: URL) -> None:
    with writing(engine) as connection:
        add(connection, 1)
    with reading(engine) as connection:
        connection.exec_driver_sql("pragma query_only=1")
        refused = pytest.raises(StorageError, match="is read-only: give this user write permission")
        with refused as caught, translate_errors(engine.url):
            connection.exec_driver_sql("insert into numbers values (2)")
        connection.exec_driver_sql("pragma query_only=0")
    assert not isinstance(caught.value, StorageUnavailable)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_says_what_to_do(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="cannot be created"):
        open_engine(make_url(f"sqlite:///{tmp_path}/below/x.db"))


def test_a_folder_that_is_a_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot be created: .*another file has the name of a folder; move it away"):
        open_engine(make_url(f"sqlite:///{tmp_path}/file/below/x.db"))


def test_a_path_that_is_a_folder_says_so(tmp_path: Path) -> None:
    engine = open_engine(make_url(f"sqlite:///{tmp_path}"))
    with pytest.raises(StorageError, match="cannot be opened"), writing(engine):
        pass


def test_a_file_that_is_not_a_database_is_named_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("this is not a database, but it is as long as the header of a database" * 20)
    engine = open_engine(make_url(f"sqlite:///{tmp_path}/x.db"))
    with pytest.raises(StorageError, match="damaged or not a SQLite file"), writing(engine):
        pass
    engine.dispose()


def test_a_statement_that_is_wrong_is_a_storage_error_in_one_line(engine: Any) -> None:
    with pytest.raises(StorageError, match="no such table: nowhere") as caught, writing(engine) as connection:
        connection.execute(text("insert into nowhere values (1)"))
    assert not isinstance(caught.value, StorageUnavailable)
    assert "\n" not in str(caught.value)


def test_a_driver_that_is_not_installed_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no driver for"):
        open_engine(make_url("nodb://u:s3cr3t@h/db"))


def test_a_server_that_is_away_passes_and_its_password_is_not_shown() -> None:
    engine = open_engine(make_url("postgresql+psycopg://u:s3cr3t@127.0.0.1:1/db"))
    with pytest.raises(StorageUnavailable, match="does not answer") as caught, reading(engine) as connection:
        connection.execute(text("select 1"))
    assert "s3cr3t" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_url_is_shown_without_its_password() -> None:
    assert redact(make_url("postgresql://u:s3cr3t@h/db")) == "postgresql://u:***@h/db"


def test_a_copy_made_by_sqlite_during_writes_is_complete(engine: Any, tmp_path: Path) -> None:
    with writing(engine) as connection:
        for number in range(100):
            add(connection, number)
    with writing(engine) as connection:
        add(connection, 100)
        with reading(engine) as reader:
            reader.exec_driver_sql("commit")
            reader.exec_driver_sql("vacuum into ?", (str(tmp_path / "copy.db"),))
    copy = sqlite3.connect(tmp_path / "copy.db")
    try:
        assert copy.execute("select count(*) from numbers").fetchone() == (100,)
    finally:
        copy.close()
