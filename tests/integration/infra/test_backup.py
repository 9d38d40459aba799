"""The command `stockwire backup`."""

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from infra import backup as backup_module
from shared.cli.app import new_app
from shared.errors import SettingsError, StorageError
from tests.command_line import run_command

app = new_app()
app.command()(backup_module.backup)


@pytest.fixture
def databases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the three databases, each with one row that names it."""
    folder = tmp_path / "var"
    folder.mkdir()
    for name in ("history", "alerts", "producer"):
        with closing(sqlite3.connect(folder / f"{name}.db")) as database:
            database.execute("CREATE TABLE name (name TEXT)")
            database.execute("INSERT INTO name VALUES (?)", (name,))
            database.commit()
    (folder / "alerts.db").chmod(0o600)
    monkeypatch.setattr(backup_module, "VAR", folder)
    for name in ("history", "alerts"):
        monkeypatch.setenv(f"STOCKWIRE_{name.upper()}_URL", f"sqlite:///{folder}/{name}.db")
    return folder


def run(*words: object) -> str:
    return run_command(app, [str(word) for word in words]).stdout


def names_in(folder: Path) -> dict[str, str]:
    found = {}
    for path in folder.iterdir():
        with closing(sqlite3.connect(path)) as database:
            found[path.name] = database.execute("SELECT name FROM name").fetchone()[0]
    return found


def test_a_folder_gets_all_databases(databases: Path, tmp_path: Path) -> None:
    target = tmp_path / "a" / "backup"
    output = run(target)
    assert names_in(target) == {"history.db": "history", "alerts.db": "alerts", "producer.db": "producer"}
    assert stat.S_IMODE((target / "alerts.db").stat().st_mode) == 0o600
    assert [line.split(" (")[0] for line in output.splitlines()] == [
        f"copied {name} to {target}/{name}.db" for name in ("history", "alerts", "producer")
    ]


def test_a_name_that_ends_in_db_gets_the_history_alone(databases: Path, tmp_path: Path) -> None:
    run(tmp_path / "b" / "prices.db")
    assert names_in(tmp_path / "b") == {"prices.db": "history"}


def test_nothing_is_replaced_without_force(databases: Path, tmp_path: Path) -> None:
    target = tmp_path / "backup"
    run(target)
    (target / "history.db").unlink()
    with pytest.raises(StorageError, match=r"alerts\.db exists: give another name, or --force"):
        run(target)
    assert names_in(target) == {"alerts.db": "alerts", "producer.db": "producer"}
    run(target, "--force")
    assert len(names_in(target)) == 3


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_the_databases_themselves_are_never_replaced(databases: Path, force: list[str]) -> None:
    for target in (databases, databases / "history.db"):
        with pytest.raises(StorageError, match=r"history\.db is the database itself"):
            run(target, *force)


def test_what_is_not_there_yet_is_left_out(databases: Path, tmp_path: Path) -> None:
    (databases / "alerts.db").unlink()
    (databases / "producer.db").unlink()
    run(tmp_path / "backup")
    assert names_in(tmp_path / "backup") == {"history.db": "history"}
    (databases / "history.db").unlink()
    for target in ("other", "other.db"):
        with pytest.raises(StorageError, match="there is nothing to copy yet"):
            run(tmp_path / target)
        assert not (tmp_path / target).exists()


def test_a_file_in_the_place_of_the_folder_is_named(databases: Path, tmp_path: Path) -> None:
    (tmp_path / "backup").touch()
    with pytest.raises(SettingsError, match=r"backup is a file: give a folder, or a file backup\.db"):
        run(tmp_path / "backup")


def test_for_postgresql_the_command_is_named_and_the_files_are_copied(
    databases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOCKWIRE_HISTORY_URL", "postgresql+psycopg://me:s3cr3t@db:5433/prices?sslmode=require")
    target = tmp_path / "backup"
    with pytest.raises(StorageError) as caught:
        run(target)
    assert str(caught.value) == (
        "history is in PostgreSQL: run pg_dump --format=custom"
        f" --file={target}/history.dump 'postgresql://me@db:5433/prices?sslmode=require'"
    )
    assert names_in(target) == {"alerts.db": "alerts", "producer.db": "producer"}
