"""The watch list on a real SQLite file."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection

from producer.state import FILE, open_state
from producer.watch_list import add_symbol, load_changes, remove_symbol, watch_list
from shared.database import writing
from shared.errors import SettingsError
from shared.settings import Settings

BASE = ("AAPL", "MSFT", "GOOG")

Change = Callable[[Connection, tuple[str, ...], str], bool]


def watched(folder: Path, base: tuple[str, ...] = BASE) -> tuple[str, ...]:
    return watch_list(replace(Settings(), symbols=base), folder)


def change(folder: Path, how: Change, symbol: str, base: tuple[str, ...] = BASE) -> bool:
    with open_state(folder) as engine, writing(engine) as connection:
        return how(connection, base, symbol)


def test_it_is_the_setting_where_nothing_was_changed_and_makes_no_file(tmp_path: Path) -> None:
    assert watched(tmp_path / "var") == BASE
    assert list(tmp_path.iterdir()) == []


def test_what_is_added_comes_behind_in_the_order_of_adding(tmp_path: Path) -> None:
    assert change(tmp_path, add_symbol, "TSLA")
    assert change(tmp_path, add_symbol, "IBM")
    assert change(tmp_path, remove_symbol, "MSFT")
    assert watched(tmp_path) == ("AAPL", "GOOG", "TSLA", "IBM")


def test_what_is_so_already_changes_nothing(tmp_path: Path) -> None:
    assert not change(tmp_path, add_symbol, "AAPL")
    assert not change(tmp_path, remove_symbol, "TSLA")
    assert watched(tmp_path) == BASE
    assert watched(tmp_path, ("IBM",)) == ("IBM",)


def test_a_change_is_taken_back_by_its_opposite(tmp_path: Path) -> None:
    for how, back, symbol in ((add_symbol, remove_symbol, "TSLA"), (remove_symbol, add_symbol, "AAPL")):
        assert change(tmp_path, how, symbol)
        assert change(tmp_path, back, symbol)
        assert watched(tmp_path) == BASE
    changes = load_changes(tmp_path)
    assert (changes.added, changes.removed) == ((), ())


def test_the_changes_hold_on_any_base(tmp_path: Path) -> None:
    change(tmp_path, add_symbol, "TSLA")
    change(tmp_path, remove_symbol, "MSFT")
    assert watched(tmp_path, ("MSFT", "IBM")) == ("IBM", "TSLA")
    assert watched(tmp_path, ("TSLA", "IBM")) == ("TSLA", "IBM")
    # What was added and has come into the setting since can be removed all the same.
    assert change(tmp_path, remove_symbol, "TSLA", ("TSLA", "IBM"))
    assert watched(tmp_path, ("TSLA", "IBM")) == ("IBM",)
    # And what was removed and has gone from the setting since, added.
    assert change(tmp_path, add_symbol, "MSFT", ("IBM",))
    assert watched(tmp_path, ("IBM",)) == ("IBM", "MSFT")


def test_the_last_one_cannot_be_removed(tmp_path: Path) -> None:
    change(tmp_path, remove_symbol, "MSFT")
    change(tmp_path, remove_symbol, "GOOG")
    with pytest.raises(SettingsError, match="the last one"):
        change(tmp_path, remove_symbol, "AAPL")
    assert watched(tmp_path) == ("AAPL",)


def test_a_setting_of_which_all_has_been_removed_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    change(tmp_path, remove_symbol, "MSFT")
    with pytest.raises(SettingsError, match=r"STOCKWIRE_SYMBOLS \(MSFT\) has been removed.*watch add SYMBOL"):
        watched(tmp_path, ("MSFT",))


def test_changes_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    symbols = [f"S{number}" for number in range(20)]
    threads = [threading.Thread(target=change, args=(tmp_path, add_symbol, symbol)) for symbol in symbols]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(watched(tmp_path)) == {*BASE, *symbols}


def test_two_that_remove_at_the_same_time_leave_one(tmp_path: Path) -> None:
    base = ("AAPL", "MSFT")
    change(tmp_path, add_symbol, "X")
    change(tmp_path, remove_symbol, "X")
    refused: list[str] = []

    def remove(symbol: str) -> None:
        try:
            change(tmp_path, remove_symbol, symbol, base)
        except SettingsError:
            refused.append(symbol)

    threads = [threading.Thread(target=remove, args=(symbol,)) for symbol in base]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(watched(tmp_path, base)) == refused


def test_a_state_of_before_is_read_all_the_same(tmp_path: Path) -> None:
    with open_state(tmp_path) as engine, writing(engine) as connection:
        connection.exec_driver_sql("DROP TABLE watch_changes")
    assert (tmp_path / FILE).exists()
    assert watched(tmp_path) == BASE
