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
        ("sqlite:///100%25.db", "/project/100%.db"),
        ("sqlite:///what%3F.db", "/project/what?.db"),
        ("sqlite:///für 日本@home's;&.db", "/project/für 日本@home's;&.db"),
        ("sqlite:///~/x.db", "/home/me/x.db"),
        ("sqlite:///~/x.db?timeout=3", "/home/me/x.db"),
        ("sqlite+pysqlite:///~/x.db", "/home/me/x.db"),
        ("sqlite:///a/~/x.db", "/project/a/~/x.db"),
        ("sqlite+pysqlite:///var/x.db", "/project/var/x.db"),
        ("sqlite:///var/x.db?timeout=3", "/project/var/x.db"),
        ("sqlite:///:memory:", None),
        ("sqlite://", None),
        ("sqlite:///file:x.db?mode=ro&uri=true", None),
        ("postgresql+psycopg://u:p@h/db", None),
    ],
)
def test_the_file_of_a_sqlite_url_is_the_file_that_sqlalchemy_opens(
    text: str, file: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    url = DatabaseUrl.parse(text, FOLDER)
    assert url.sqlite_file == (Path(file) if file else None)
    if file:
        assert url.engine_url.database == file


@pytest.mark.parametrize("text", ["sqlite:///x.db", "sqlite:///x.db?timeout=3"])
@pytest.mark.parametrize("name", ["100%20 ?", "it's", 'a "b"', "#1", "für 日本", "a:b@c", "$x&y;z", "a+b", "\\"])
def test_a_folder_may_have_any_name(name: str, text: str) -> None:
    folder = Path("/") / name
    url = DatabaseUrl.parse(text, folder)
    assert url.engine_url.database == str(folder / "x.db")
    assert url.sqlite_file == folder / "x.db"


def test_the_text_shows_no_password() -> None:
    url = DatabaseUrl.parse("postgresql+psycopg://u:s3cr3t@h/db", FOLDER)
    assert "s3cr3t" not in f"{url} {url!r}"
    assert str(url) == "postgresql+psycopg://u:***@h/db"


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("sqlite:///file:~/x.db?mode=ro&uri=true", "/home/me/x.db"),
        ("postgresql+psycopg://u:p@h/db?sslrootcert=~/ca.pem&sslmode=verify-full", "/home/me/ca.pem"),
    ],
)
def test_a_tilde_is_the_home_directory_wherever_a_url_names_a_file(
    text: str, expanded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    url = DatabaseUrl.parse(text, FOLDER)
    assert expanded in (str(url.engine_url.database).removeprefix("file:"), url.engine_url.query.get("sslrootcert"))
    assert "~" not in url.text
