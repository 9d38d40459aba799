"""The command `stockwire backup`."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from sqlalchemy.engine import URL

from producer.state import FILE as PRODUCER_FILE
from shared.cli.output import print_lines
from shared.cli.progress import progress_bar
from shared.database.sqlite.backup import back_up, check_target
from shared.database.sqlite.reading import database_exists
from shared.database.url import DatabaseUrl, sqlite_url
from shared.errors import SettingsError, StorageError
from shared.settings import VAR, Settings, load_settings

# A target with this ending is a file, and any other a folder.
_ENDING = ".db"
_MEGABYTE = 10**6


class Source(NamedTuple):
    """A database, and the name of its copy in a folder."""

    name: str
    url: DatabaseUrl

    @property
    def copy_name(self) -> str:
        return f"{self.name}{_ENDING}"


def backup(
    target: Annotated[
        Path, typer.Argument(metavar="FOLDER_OR_FILE", help="A folder, or a file NAME.db for the history alone.")
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace copies that exist.")] = False,
) -> None:
    """Copy the databases while everything runs: all of them to a folder, or the history to a file NAME.db."""
    target = target.expanduser().absolute()
    sources = _sources(load_settings())
    if target.suffix == _ENDING:
        copies = {target: sources[0]}
    else:
        if target.exists() and not target.is_dir():
            raise SettingsError(f"{target} is a file: give a folder, or a file {target.name}{_ENDING} for the history")
        copies = {target / each.copy_name: each for each in sources}
    _back_up_all(copies, replaces=force)


def _sources(settings: Settings) -> list[Source]:
    state = DatabaseUrl(sqlite_url(str(VAR / PRODUCER_FILE)))
    return [Source("history", settings.history_url), Source("alerts", settings.alerts_url), Source("producer", state)]


def _back_up_all(copies: dict[Path, Source], *, replaces: bool) -> None:
    """Copy all databases that are SQLite files. Raises StorageError, also if another program has to copy one."""
    files = dict(_find_files(copies))
    for target, file in files.items():
        check_target(file, target, replaces=replaces)
    for target, file in files.items():
        with progress_bar(f"copying {target.name}", 1) as progress:
            size = back_up(file, target, progress.set)
        print_lines(f"copied {copies[target].name} to {target} ({size / _MEGABYTE:,.1f} MB)")
    on_servers = [_explain_server(source, target) for target, source in copies.items() if not source.url.sqlite_file]
    if on_servers:
        raise StorageError("; ".join(on_servers))
    if not files:
        raise StorageError("there is nothing to copy yet: run ./stockwire up, or ./stockwire consume history")


def _find_files(copies: dict[Path, Source]) -> Iterator[tuple[Path, Path]]:
    for target, source in copies.items():
        file = source.url.sqlite_file
        if file and database_exists(file):
            yield target, file


def _explain_server(source: Source, target: Path) -> str:
    url = source.url.engine_url
    if url.get_backend_name() != "postgresql":
        return f"{source.name} is in {source.url}, which is not a file: copy it with the tools of its database"
    # The program asks for the password, or reads it from ~/.pgpass or PGPASSWORD.
    plain = URL.create("postgresql", url.username, None, url.host, url.port, url.database, url.query)
    words = ["pg_dump", "--format=custom", f"--file={target.with_suffix('.dump')}", plain.render_as_string()]
    return f"{source.name} is in PostgreSQL: run {shlex.join(words)}"
