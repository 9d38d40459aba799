"""The watch list on a real SQLite file."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from producer.state import FILE, open_state
from producer.watch_list import WatchChanges, WatchListEditor, load_changes, watch_list
from shared.database.engine import writing
from shared.errors import SettingsError
from shared.settings import Settings

BASE = ("AAPL", "MSFT", "GOOG")

Change = Callable[[WatchListEditor, str], bool]


def watched(folder: Path, base: tuple[str, ...] = BASE) -> tuple[str, ...]:
    return watch_list(replace(Settings(), symbols=base), folder)


def change(folder: Path, how: Change, symbol: str, base: tuple[str, ...] = BASE) -> bool:
    with open_state(folder) as engine, writing(engine) as connection:
        editor = WatchListEditor(connection, base)
        changed = how(editor, symbol)
        editor.save()
        return changed


def test_an_unchanged_watch_list_is_the_setting_and_creates_no_file(tmp_path: Path) -> None:
    assert watched(tmp_path / "var") == BASE
    assert list(tmp_path.iterdir()) == []


def test_added_symbols_come_last_in_the_order_of_adding(tmp_path: Path) -> None:
    assert change(tmp_path, WatchListEditor.add, "TSLA")
    assert change(tmp_path, WatchListEditor.add, "IBM")
    assert change(tmp_path, WatchListEditor.remove, "MSFT")
    assert watched(tmp_path) == ("AAPL", "GOOG", "TSLA", "IBM")


def test_several_changes_are_stored_together_in_their_order(tmp_path: Path) -> None:
    with open_state(tmp_path) as engine, writing(engine) as connection:
        editor = WatchListEditor(connection, BASE)
        assert [editor.add(symbol) for symbol in ("TSLA", "IBM", "TSLA")] == [True, True, False]
        assert [editor.remove(symbol) for symbol in ("TSLA", "GOOG", "KO")] == [True, True, False]
        assert editor.add("TSLA")
        editor.save()
    assert watched(tmp_path) == ("AAPL", "MSFT", "IBM", "TSLA")


def test_adding_a_watched_symbol_or_removing_an_unknown_one_changes_nothing(tmp_path: Path) -> None:
    assert not change(tmp_path, WatchListEditor.add, "AAPL")
    assert not change(tmp_path, WatchListEditor.remove, "TSLA")
    assert watched(tmp_path) == BASE
    assert watched(tmp_path, ("IBM",)) == ("IBM",)


def test_the_opposite_change_undoes_a_change(tmp_path: Path) -> None:
    for how, back, symbol in (
        (WatchListEditor.add, WatchListEditor.remove, "TSLA"),
        (WatchListEditor.remove, WatchListEditor.add, "AAPL"),
    ):
        assert change(tmp_path, how, symbol)
        assert change(tmp_path, back, symbol)
        assert watched(tmp_path) == BASE
    changes = load_changes(tmp_path)
    assert (changes.added, changes.removed) == ((), ())


def test_the_changes_apply_to_any_setting(tmp_path: Path) -> None:
    change(tmp_path, WatchListEditor.add, "TSLA")
    change(tmp_path, WatchListEditor.remove, "MSFT")
    assert watched(tmp_path, ("MSFT", "IBM")) == ("IBM", "TSLA")
    assert watched(tmp_path, ("TSLA", "IBM")) == ("TSLA", "IBM")
    # A symbol that was added, and is in the setting since, can still be removed.
    assert change(tmp_path, WatchListEditor.remove, "TSLA", ("TSLA", "IBM"))
    assert watched(tmp_path, ("TSLA", "IBM")) == ("IBM",)
    # A symbol that was removed, and is not in the setting any more, can still be added.
    assert change(tmp_path, WatchListEditor.add, "MSFT", ("IBM",))
    assert watched(tmp_path, ("IBM",)) == ("IBM", "MSFT")


def test_the_last_symbol_cannot_be_removed(tmp_path: Path) -> None:
    change(tmp_path, WatchListEditor.remove, "MSFT")
    change(tmp_path, WatchListEditor.remove, "GOOG")
    with pytest.raises(SettingsError, match="the last symbol"):
        change(tmp_path, WatchListEditor.remove, "AAPL")
    assert watched(tmp_path) == ("AAPL",)


def test_an_empty_watch_list_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    change(tmp_path, WatchListEditor.remove, "MSFT")
    with pytest.raises(SettingsError, match=r"STOCKWIRE_SYMBOLS \(MSFT\) has been removed.*watch add SYMBOL"):
        watched(tmp_path, ("MSFT",))


def test_concurrent_changes_are_all_kept(tmp_path: Path) -> None:
    symbols = [f"S{number}" for number in range(20)]
    threads = [threading.Thread(target=change, args=(tmp_path, WatchListEditor.add, symbol)) for symbol in symbols]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(watched(tmp_path)) == {*BASE, *symbols}


def test_two_concurrent_removals_leave_one_symbol(tmp_path: Path) -> None:
    base = ("AAPL", "MSFT")
    change(tmp_path, WatchListEditor.add, "X")
    change(tmp_path, WatchListEditor.remove, "X")
    rejected: list[str] = []

    def remove(symbol: str) -> None:
        try:
            change(tmp_path, WatchListEditor.remove, symbol, base)
        except SettingsError:
            rejected.append(symbol)

    threads = [threading.Thread(target=remove, args=(symbol,)) for symbol in base]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(watched(tmp_path, base)) == rejected


def test_a_missing_table_is_created(tmp_path: Path) -> None:
    with open_state(tmp_path) as engine, writing(engine) as connection:
        connection.exec_driver_sql("DROP TABLE watch_changes")
    assert (tmp_path / FILE).exists()
    assert watched(tmp_path) == BASE


def test_reading_the_watch_list_writes_nothing(tmp_path: Path) -> None:
    with open_state(tmp_path):
        pass
    before = {each: each.stat().st_mtime_ns for each in tmp_path.iterdir()}
    assert load_changes(tmp_path) == WatchChanges()
    assert {each: each.stat().st_mtime_ns for each in tmp_path.iterdir()} == before


def test_a_state_without_a_watch_list_is_read_without_creating_one(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE)) as database:
        database.execute("CREATE TABLE others (id INTEGER)")
    assert load_changes(tmp_path) == WatchChanges()
    with closing(sqlite3.connect(tmp_path / FILE)) as database:
        assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("others",)]
