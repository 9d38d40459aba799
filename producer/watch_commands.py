"""`stockwire watch`: show and change the watch list; the next sync uses the changed list."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import typer

from producer.commands import check_symbols
from producer.state import open_state
from producer.watch_list import WatchListEditor, watch_list
from shared.cli.app import new_app
from shared.cli.options import FormatOption
from shared.cli.output import Format, print_lines, print_rows
from shared.database.engine import writing
from shared.errors import SettingsError
from shared.settings import VAR, load_settings

_EFFECT = "from the next sync on"

Symbols = Annotated[list[str], typer.Argument(metavar="SYMBOL...", help="Such as AAPL or BRK.B.", show_default=False)]

watch = new_app("Show and change the watch list: STOCKWIRE_SYMBOLS with the symbols added and removed here.")


@watch.command()
def add(symbols: Symbols) -> None:
    """Add symbols. Exits 1 if any is invalid; the others are still added."""
    _change(symbols, WatchListEditor.add, "added", "already on the watch list")


@watch.command()
def remove(symbols: Symbols) -> None:
    """Remove symbols. Exits 1 for the last symbol or an invalid one, and if none was on the list."""
    changed = _change(symbols, WatchListEditor.remove, "removed", "not on the watch list")
    if not any(changed.values()):
        raise typer.Exit(1)


@watch.command("list")
def show(output: FormatOption = Format.TABLE) -> None:
    """List the watched symbols and their source: the setting STOCKWIRE_SYMBOLS, or added."""
    settings = load_settings()
    watched = watch_list(settings, VAR)
    rows = ({"symbol": each, "source": "setting" if each in settings.symbols else "added"} for each in watched)
    print_rows(("symbol", "source"), rows, output)
    if removed := [each for each in settings.symbols if each not in watched]:
        print_lines(
            f"removed: {', '.join(removed)} (to add again: ./stockwire watch add {' '.join(removed)})", error=True
        )


def _change(
    symbols: Sequence[str], change: Callable[[WatchListEditor, str], bool], done: str, unchanged: str
) -> Mapping[str, bool]:
    """Apply the change to each symbol separately, print the result of each, and return which were changed."""
    settings = load_settings()
    valid, failed = check_symbols(symbols)
    changed: dict[str, bool] = {}
    if valid:
        with open_state(VAR) as engine, writing(engine) as connection:
            editor = WatchListEditor(connection, settings.symbols)
            for symbol in valid:
                try:
                    changed[symbol] = change(editor, symbol)
                except SettingsError as error:
                    failed[symbol] = str(error)
            editor.save()
    if applied := [symbol for symbol, is_changed in changed.items() if is_changed]:
        print_lines(f"{done} {', '.join(applied)} ({_EFFECT})")
    if ignored := [symbol for symbol, is_changed in changed.items() if not is_changed]:
        print_lines(f"{unchanged}: {', '.join(ignored)}")
    for symbol, reason in failed.items():
        print_lines(f"{symbol} was not {done}: {reason}", error=True)
    if failed:
        raise typer.Exit(1)
    return changed
