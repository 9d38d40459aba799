"""A database's URL. Only a URL that does not simply name a SQLite file needs SQLAlchemy, which takes long to import."""

import warnings
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from shared.home_paths import expand_home

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

INSTALL_POSTGRESQL = ".venv/bin/python -m pip install -r requirements-postgresql.txt"

_SQLITE = "sqlite:///"


@dataclass(frozen=True)
class DatabaseUrl:
    """A SQLAlchemy URL as text; str() and repr() leave out its password."""

    text: str = field(repr=False)

    @classmethod
    def parse(cls, text: str, folder: Path) -> "DatabaseUrl":
        """Check the URL, and make a relative path of a SQLite file absolute below `folder`. Raises ValueError."""
        if path := _plain_sqlite_path(text):
            return cls(sqlite_url(str(folder / expand_home(path))))
        given = _checked(text)
        url = _expand_homes(given)
        if url.get_backend_name() == "sqlite" and url.database and not _is_special(url.database):
            url = url.set(database=str(folder / url.database))
        return cls(text if url == given else url.render_as_string(hide_password=False))

    @cached_property
    def sqlite_file(self) -> Path | None:
        """The SQLite file, or None for another database, a database in memory and a `file:` URI."""
        if path := _plain_sqlite_path(self.text):
            return Path(path)
        url = self.engine_url
        if url.get_backend_name() != "sqlite" or not url.database or _is_special(url.database):
            return None
        return Path(url.database)

    @property
    def is_in_memory(self) -> bool:
        """True for a SQLite database that ends with its process."""
        if self.sqlite_file or self.engine_url.get_backend_name() != "sqlite":
            return False
        database = self.engine_url.database or ":memory:"
        return ":memory:" in database or self.engine_url.query.get("mode") == "memory"

    @cached_property
    def engine_url(self) -> "URL":
        from sqlalchemy.engine import make_url

        return make_url(self.text)

    def __str__(self) -> str:
        if _plain_sqlite_path(self.text):
            return self.text
        return self.engine_url.render_as_string(hide_password=True)


def _plain_sqlite_path(text: str) -> str | None:
    """Return the path if the URL is `sqlite:///PATH`, without parameters; %20 is a blank."""
    path = text.removeprefix(_SQLITE)
    return None if path == text or not path or "?" in path or _is_special(path) else unquote(path)


def sqlite_url(path: str) -> str:
    """Return the URL of a SQLite file. Characters without a meaning in it stay as they are, so that it can be read."""
    return _SQLITE + path.replace("%", "%25").replace("?", "%3F")


def _expand_homes(url: "URL") -> "URL":
    """Return the URL with home directories in place of `~`, in the path and in parameters such as sslrootcert."""
    if url.get_backend_name() == "sqlite" and url.database:
        scheme = "file:" if url.database.startswith("file:") else ""
        url = url.set(database=scheme + expand_home(url.database.removeprefix(scheme)))
    return url.update_query_dict(
        {name: expand_home(value) for name, value in url.query.items() if isinstance(value, str)}
    )


def _is_special(database: str) -> bool:
    return database == ":memory:" or database.startswith("file:")


def _checked(text: str) -> "URL":
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        url = make_url(text)
        url.get_dialect()
    except NoSuchModuleError:
        raise ValueError("names an unknown kind of database: use sqlite:/// or postgresql+psycopg://") from None
    except ImportError as error:
        raise ValueError(f"needs a driver that is not installed ({error}): run {INSTALL_POSTGRESQL}") from None
    except (ArgumentError, ValueError):
        # The error's own text may quote a piece of a password.
        raise ValueError("is not a database URL such as sqlite:///var/history.db") from None
    _check_parameters(url)
    return url


def _check_parameters(url: "URL") -> None:
    """Raise ValueError for a parameter such as timeout=abc, which would fail at the first connection otherwise."""
    from sqlalchemy.exc import ArgumentError, SAWarning

    try:
        with warnings.catch_warnings():
            # SQLAlchemy only warns of an unknown parameter.
            warnings.simplefilter("error", SAWarning)
            url.get_dialect()().create_connect_args(url)
    except (ArgumentError, SAWarning, TypeError, ValueError):
        names = ", ".join(url.query)
        raise ValueError(f"has a parameter (of {names}) with an unknown name or an invalid value") from None
