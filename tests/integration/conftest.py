"""Fixtures of the integration tests."""

import pytest


@pytest.fixture
def large_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every SQLite file count as a large one, which is checked as a whole only if something is wrong."""
    monkeypatch.setattr("shared.database.sqlite.guard.SMALL", 0)


@pytest.fixture
def no_check_of_whole_files(large_files: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if a SQLite file is checked as a whole after a change."""

    def check(*_: object, **__: object) -> None:
        raise AssertionError("the whole file was checked")

    monkeypatch.setattr("shared.database.sqlite.guard.find_damage_of_file", check)
