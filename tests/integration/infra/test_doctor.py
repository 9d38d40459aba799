"""The doctor's checks of the settings and of the targets of alerts."""

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from consumers.alerts.notifications.target_store import add_target, disable_target, find_target
from consumers.alerts.notifications.targets import Target
from consumers.alerts.tables import SCHEMA
from infra.doctor import _check_settings, _check_targets
from shared.database.engine import opened, writing
from shared.database.schema import create_schema
from shared.errors import SettingsError
from shared.http_address import HttpAddress
from shared.settings import Settings
from tests.event_factories import NOW


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite:///{tmp_path / 'alerts.db'}"
    monkeypatch.setenv("STOCKWIRE_ALERTS_URL", url)
    return url


def add(url: str, *names: str, disabled: str = "") -> None:
    with opened(make_url(url)) as engine:
        create_schema(engine, SCHEMA)
        with writing(engine) as connection:
            for name in names:
                add_target(connection, Target(0, name, "https://example.com/a-secret-token"), NOW)
            if disabled:
                disable_target(connection, find_target(connection, disabled), "410 Gone", NOW)


def test_every_setting_of_the_http_api_is_shown_but_the_token() -> None:
    lines = list(_check_settings(Settings(http=HttpAddress("::1", 8001), api_token="a-secret-token")))
    assert "STOCKWIRE_HTTP=[::1]:8001" in lines
    assert "STOCKWIRE_API_TOKEN is set" in lines
    assert "a-secret-token" not in " ".join(lines)
    assert "STOCKWIRE_API_TOKEN is not set" in list(_check_settings(Settings()))


@pytest.mark.usefixtures("url")
def test_without_a_database_there_is_no_target() -> None:
    assert list(_check_targets()) == []


def test_targets_are_named_with_scheme_and_host(url: str) -> None:
    add(url, "hook", "log")
    assert list(_check_targets()) == ["hook: https://example.com", "log: https://example.com"]


def test_a_disabled_target_is_a_fault_with_its_remedy(url: str) -> None:
    add(url, "hook", disabled="hook")
    with pytest.raises(SettingsError, match=r"target hook is disabled \(410 Gone\): \./stockwire notify test hook"):
        list(_check_targets())


def test_a_database_that_cannot_be_read_is_named_by_another_check(url: str, tmp_path: Path) -> None:
    (tmp_path / "alerts.db").write_text("no database at all, but long enough to be looked at" * 10)
    assert list(_check_targets()) == []
