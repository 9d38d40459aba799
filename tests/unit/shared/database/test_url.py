"""Database URLs: the file of a SQLite URL is found without SQLAlchemy, and is the file that SQLAlchemy opens."""

from pathlib import Path

import pytest

from shared.database.url import DatabaseUrl

FOLDER = Path("/project")


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("sqlite:///var/x.db", "/project/var/x.db"),
        ("sqlite:////abs/x.db", "/abs/x.db"),
        ("sqlite:///a b#c.db", "/project/a b#c.db"),
        ("sqlite:///a%20b.db", "/project/a b.db"),
        ("sqlite+pysqlite:///var/x.db", "/project/var/x.db"),
        ("sqlite:///var/x.db?timeout=3", "/project/var/x.db"),
        ("sqlite:///:memory:", None),
        ("sqlite://", None),
        ("sqlite:///file:x.db?mode=ro&uri=true", None),
        ("postgresql+psycopg://u:p@h/db", None),
    ],
)
def test_the_file_of_a_sqlite_url_is_the_file_that_sqlalchemy_opens(text: str, file: str | None) -> None:
    url = DatabaseUrl.parse(text, FOLDER)
    assert url.sqlite_file == (Path(file) if file else None)
    if file:
        assert url.engine_url.database == file


def test_a_folder_may_have_any_name() -> None:
    folder = Path("/100%20 ?")
    url = DatabaseUrl.parse("sqlite:///x.db", folder)
    assert url.engine_url.database == str(folder / "x.db")
    assert url.sqlite_file == folder / "x.db"


def test_the_text_shows_no_password() -> None:
    url = DatabaseUrl.parse("postgresql+psycopg://u:s3cr3t@h/db", FOLDER)
    assert "s3cr3t" not in f"{url} {url!r}"
    assert str(url) == "postgresql+psycopg://u:***@h/db"
