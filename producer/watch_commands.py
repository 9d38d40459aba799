"""`stockwire watch`: the watch list, shown and changed; the next sync has what was changed."""

import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer
from sqlalchemy import Connection

from producer.commands import check_symbols
from producer.state import open_state
from producer.watch_list import add_symbol, remove_symbol, watch_list
from shared.cli.app import new_app
from shared.cli.options import OutputFormat
from shared.cli.output import Format, print_rows
from shared.database import writing
from shared.errors import SettingsError
from shared.settings import VAR, load_settings

_EFFECT = "the next sync takes this up"

Symbols = Annotated[list[str], typer.Argument(metavar="SYMBOL...", help="Such as AAPL or BRK.B.", show_default=False)]

watch = new_app("The watch list: STOCKWIRE_SYMBOLS, and what is added and removed here.")


@watch.command()
def add(symbols: Symbols) -> None:
    """Watch more symbols; exits 1 if any is none, with the others added all the same."""
    _change(symbols, add_symbol, "added", "on the watch list already")


@watch.command()
def remove(symbols: Symbols) -> None:
    """Watch symbols no more; exits 1 for the last one, and for what is none, with the others removed."""
    _change(symbols, remove_symbol, "removed", "not on the watch list")


@watch.command("list")
def show(output: OutputFormat = Format.TABLE) -> None:
    """Every symbol that is watched, and where it comes from: the setting STOCKWIRE_SYMBOLS, or added."""
    settings = load_settings()
    watched = watch_list(settings, VAR)
    rows = ({"symbol": each, "source": "setting" if each in settings.symbols else "added"} for each in watched)
    print_rows(("symbol", "source"), rows, output)
    if gone := [each for each in settings.symbols if each not in watched]:
        print(f"removed: {', '.join(gone)} (put back: ./stockwire watch add {' '.join(gone)})", file=sys.stderr)


def _change(
    symbols: Sequence[str], how: Callable[[Connection, Sequence[str], str], bool], done: str, so_already: str
) -> None:
    """Change the list by each symbol on its own, and then say what became of each."""
    settings = load_settings()
    good, failed = check_symbols(symbols)
    changed: dict[str, bool] = {}
    if good:
        with open_state(VAR) as engine, writing(engine) as connection:
            for symbol in good:
                try:
                    changed[symbol] = how(connection, settings.symbols, symbol)
                except SettingsError as error:
                    failed[symbol] = str(error)
    if fresh := [symbol for symbol, is_changed in changed.items() if is_changed]:
        print(f"{done} {', '.join(fresh)} ({_EFFECT})")
    if stale := [symbol for symbol, is_changed in changed.items() if not is_changed]:
        print(f"{so_already}: {', '.join(stale)}")
    for symbol, reason in failed.items():
        print(f"{symbol} was not {done}: {reason}", file=sys.stderr)
    if failed:
        raise typer.Exit(1)
