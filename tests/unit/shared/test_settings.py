import os
import traceback
from pathlib import Path

import pytest

from shared import settings as settings_module
from shared.errors import SettingsError
from shared.locks import file_lock
from shared.settings import ROOT, Settings, load_settings, parse_symbols, write_running

SECRET = "s3cr3t"
NOWHERE = Path("/nowhere/.env")


@pytest.fixture(autouse=True)
def _up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide an `up` that runs on this machine from these tests."""
    monkeypatch.setattr(settings_module, "UP_LOCK", tmp_path / "up.lock")
    monkeypatch.setattr(settings_module, "UP_SETTINGS", tmp_path / "up.env")


def loaded(**values: str) -> Settings:
    return load_settings({f"STOCKWIRE_{name}": value for name, value in values.items()}, NOWHERE)


def test_the_defaults_are_the_documented_values() -> None:
    settings = load_settings({}, NOWHERE)
    assert settings == Settings()
    assert settings.amqp_url.url() == "amqp://guest:guest@localhost:5672/%2F"
    assert [url.sqlite_file for url in (settings.history_url, settings.alerts_url, settings.results_url)] == [
        ROOT / f"var/{name}.db" for name in ("history", "alerts", "celery")
    ]
    assert settings.provider == ("simulated",)
    assert settings.symbols == ("AAPL", "MSFT", "GOOG", "AMZN", "META")
    assert str(settings.schedule) == "5m"


def test_every_setting_is_read_from_the_environment() -> None:
    settings = loaded(
        AMQP_URL="amqps://u:p@rabbit/v",
        HISTORY_URL="postgresql+psycopg://u:p@db/history",
        ALERTS_URL="sqlite:////data/alerts.db",
        RESULTS_URL="sqlite:///results.db",
        PROVIDER="yahoo, stooq,yahoo",
        SYMBOLS="aapl, BRK.B  AAPL",
        SCHEDULE="0 * * * *",
        REPLAY_FILE="prices.csv.gz",
    )
    assert str(settings.amqp_url) == "amqps://rabbit:5671/v"
    assert settings.history_url.engine_url.host == "db"
    assert settings.alerts_url.sqlite_file == Path("/data/alerts.db")
    assert settings.results_url.sqlite_file == ROOT / "results.db"
    assert settings.provider == ("yahoo", "stooq")
    assert settings.symbols == ("AAPL", "BRK.B")
    assert str(settings.schedule) == "0 * * * *"
    assert settings.replay_file == ROOT / "prices.csv.gz"


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "# a comment\nSTOCKWIRE_SCHEDULE=1h\nexport STOCKWIRE_PROVIDER='replay'\nSTOCKWIRE_SYMBOLS=\"IBM\"\nOTHER=1\n"
    )
    settings = load_settings({"STOCKWIRE_SCHEDULE": "1m", "PATH": "/bin"}, file)
    assert str(settings.schedule) == "1m"
    assert settings.provider == ("replay",)
    assert settings.symbols == ("IBM",)


def test_the_settings_of_a_running_up_override_the_file_but_not_the_environment(tmp_path: Path) -> None:
    write_running({"STOCKWIRE_AMQP_URL": "amqp://guest:guest@127.0.0.1:1234/", "STOCKWIRE_SYMBOLS": "IBM"})
    file = tmp_path / ".env"
    file.write_text("STOCKWIRE_AMQP_URL=amqp://elsewhere/\nSTOCKWIRE_SCHEDULE=1h\n")
    assert load_settings({}, file).amqp_url.host == "elsewhere"
    with file_lock(tmp_path / "up.lock"):
        settings = load_settings({}, file)
        assert (settings.amqp_url.port, settings.symbols, str(settings.schedule)) == (1234, ("IBM",), "1h")
        settings = load_settings({"STOCKWIRE_AMQP_URL": "amqp://here/"}, file)
        assert (settings.amqp_url.host, settings.symbols) == ("here", ("IBM",))
        (tmp_path / "up.env").unlink()
        assert load_settings({}, file).amqp_url.host == "elsewhere"


def test_the_settings_of_a_running_up_survive_a_round_trip_and_only_their_owner_can_read_them(tmp_path: Path) -> None:
    password = r"${HOME}\'#"
    write_running({"STOCKWIRE_HISTORY_URL": f"postgresql+psycopg://u:{password}@db/history"})
    with file_lock(tmp_path / "up.lock"):
        assert load_settings({}, NOWHERE).history_url.engine_url.password == password
    assert (tmp_path / "up.env").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.glob("up.*") if path.suffix != ".lock"] == ["up.env"]


def test_the_options_of_another_users_up_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_running({"STOCKWIRE_SYMBOLS": "IBM"})
    monkeypatch.setattr("os.access", lambda path, mode: (path, mode) != (tmp_path / "up.env", os.R_OK))
    with file_lock(tmp_path / "up.lock"):
        assert load_settings({}, NOWHERE).symbols == Settings().symbols


def test_the_error_for_settings_of_up_that_cannot_be_written_has_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings_module, "UP_SETTINGS", tmp_path / "nowhere" / "up.env")
    with pytest.raises(SettingsError, match=r"up\.env cannot be written: No such file"):
        write_running({})


@pytest.mark.parametrize("name", ["STOCKWIRE_SYMBOL", "STOCKWIRE_", "STOCKWIRE_amqp_url", "STOCKWIRE_LOG"])
def test_the_error_for_an_unknown_name_lists_the_known_names(name: str, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(f"{name}=1\n")
    for environ, dotenv in (({name: "1"}, NOWHERE), ({}, file)):
        with pytest.raises(SettingsError, match=rf"^{name} is not a setting.*STOCKWIRE_SYMBOLS"):
            load_settings(environ, dotenv)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AMQP_URL", ""),
        ("AMQP_URL", "localhost"),
        ("AMQP_URL", "amqp://h:port/"),
        ("AMQP_URL", "amqp://a..b/"),
        ("TWELVEDATA_URL", "https://a..b"),
        ("HISTORY_URL", "sqlite:///~a-user-who-does-not-exist/prices.db"),
        ("REPLAY_FILE", "~a-user-who-does-not-exist/prices.csv"),
        ("HISTORY_URL", ""),
        ("HISTORY_URL", "history.db"),
        ("HISTORY_URL", "sqlite:///var/history.db?timeout=abc"),
        ("HISTORY_URL", "sqlite:///var/history.db?timeuot=3"),
        ("HISTORY_URL", "sqlite://"),
        ("ALERTS_URL", "sqlite:///:memory:"),
        ("ALERTS_URL", "sqlite:///file::memory:?uri=true"),
        ("ALERTS_URL", "sqlite:///file:shared?mode=memory&cache=shared&uri=true"),
        ("RESULTS_URL", "sqlite:///var/celery.db?timeout=abc"),
        ("ALERTS_URL", "postgresql://u:p@h:port/db"),
        ("RESULTS_URL", "nonsense"),
        ("PROVIDER", " , "),
        ("SYMBOLS", ""),
        ("SYMBOLS", "AAPL,#"),
        ("SYMBOLS", "X" * 33),
        ("SCHEDULE", ""),
        ("SCHEDULE", "5"),
        ("SCHEDULE", "* * * *"),
        ("SCHEDULE", "99 * * * *"),
    ],
)
def test_the_error_for_an_invalid_value_names_the_setting_in_one_line(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=rf"^STOCKWIRE_{name}: [^\n]+$"):
        loaded(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AMQP_URL", f"amqp://u:{SECRET}@h:port/"),
        ("AMQP_URL", f"http://u:{SECRET}@h/"),
        ("AMQP_URL", f"amqp://u:{SECRET}@h/?nonsense=1"),
        ("AMQP_URL", f"amqp://u:12/{SECRET}@h/"),
        ("AMQP_URL", f"amqp://u:12?{SECRET}@h/"),
        ("HISTORY_URL", f"postgresql://u:{SECRET}@h:port/db"),
        ("HISTORY_URL", f"postgresql://u:p@h:{SECRET}/db"),
        ("HISTORY_URL", f"u:{SECRET}@h"),
    ],
)
def test_the_error_for_an_invalid_value_shows_no_password(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(**{name: value})
    assert SECRET not in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception_only(caught.value))


def test_the_text_of_settings_shows_no_password() -> None:
    settings = loaded(AMQP_URL=f"amqp://u:{SECRET}@h/", HISTORY_URL=f"postgresql://u:{SECRET}@h/db")
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings)


def test_a_relative_sqlite_path_is_relative_to_the_project_in_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert loaded(HISTORY_URL="sqlite:///var/x.db").history_url.sqlite_file == ROOT / "var/x.db"
    assert loaded(HISTORY_URL="sqlite:////abs/x.db").history_url.sqlite_file == Path("/abs/x.db")
    assert loaded(RESULTS_URL="sqlite:///:memory:").results_url.text == "sqlite:///:memory:"


def test_the_error_for_an_unreadable_file_names_it(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(b"STOCKWIRE_SYMBOLS=\xff\xfe\n")
    with pytest.raises(SettingsError, match=r"\.env cannot be read"):
        load_settings({}, file)


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Settings().symbols = ()  # type: ignore[misc]


def test_a_watch_list_may_have_blanks_lower_case_and_duplicates() -> None:
    assert parse_symbols(" aapl;".replace(";", ",") + "\nbrk.b\tAAPL,,^gspc ") == ("AAPL", "BRK.B", "^GSPC")
