"""The log of remarks with a real state database: each remark is logged once, as long as it lasts."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from producer.remarks import log_remarks
from producer.state import FILE

OLD, ODD = "the price is years old", "the currency is odd"


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    lines = [record.getMessage() for record in caplog.records]
    caplog.clear()
    return lines


def test_a_remark_is_logged_once_as_long_as_it_lasts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert log_remarks(tmp_path, ["DEADX", "AAPL"], {"DEADX": [OLD]}) == [f"DEADX: {OLD}"]
    assert log_remarks(tmp_path, ["DEADX", "AAPL"], {"DEADX": [OLD]}) == []
    assert logged(caplog) == [f"DEADX: {OLD}"]
    log_remarks(tmp_path, ["DEADX", "AAPL"], {"DEADX": [OLD], "AAPL": [ODD, OLD]})
    assert logged(caplog) == [f"AAPL: {ODD}", f"AAPL: {OLD}"]
    # A symbol that was not published is as odd as before.
    log_remarks(tmp_path, ["AAPL"], {"AAPL": [OLD]})
    log_remarks(tmp_path, ["DEADX"], {"DEADX": [OLD]})
    assert logged(caplog) == []
    log_remarks(tmp_path, ["DEADX"], {})
    log_remarks(tmp_path, ["DEADX", "AAPL"], {"DEADX": [OLD], "AAPL": [ODD, OLD]})
    assert logged(caplog) == [f"DEADX: {OLD}", f"AAPL: {ODD}"]


def test_without_remarks_no_state_is_made(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log_remarks(tmp_path, ["AAPL"], {})
    assert (list(tmp_path.iterdir()), logged(caplog)) == ([], [])


def test_remarks_are_logged_even_if_the_state_is_damaged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log_remarks(tmp_path, ["A"], {"A": [ODD]})
    with closing(sqlite3.connect(tmp_path / FILE)) as database:
        database.execute("DROP TABLE logged_remarks")
        database.execute("CREATE TABLE logged_remarks (other)")
        database.commit()
    caplog.clear()
    log_remarks(tmp_path, ["A"], {"A": [ODD]})
    first, second = logged(caplog)
    assert first.startswith("these remarks may have been logged before: ")
    assert second == f"A: {ODD}"
