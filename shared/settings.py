"""Settings: one frozen object, built once from the environment and `.env`, and passed on."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from shared.accounts import ACCOUNTS, FIELDS, Account, change_account
from shared.database.url import DatabaseUrl
from shared.dotenv_file import Assignment, read_dotenv
from shared.errors import InvalidEvent, SettingsError
from shared.home_paths import expand_home
from shared.http_address import HttpAddress, parse_http, parse_http_hosts, parse_token
from shared.locks import is_locked
from shared.messaging.address import BrokerAddress
from shared.schedule import Schedule
from shared.setting_names import PREFIX, is_service_variable, resembles_setting
from shared.symbols import read_symbol
from shared.times import parse_duration

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / "var"

# A running `up` holds the lock, and writes its options into the file, so that commands beside it use the same settings.
UP_LOCK = VAR / "up.lock"
UP_SETTINGS = VAR / "up.env"


# Earlier than this, there may be no such time.
MAX_RETENTION = timedelta(days=36_525)


@dataclass(frozen=True)
class Settings:
    """The settings of a process. The field `symbols` is the setting `STOCKWIRE_SYMBOLS`, and so on.

    Relative SQLite paths are relative to the project's folder, not to the folder that the process was started in.
    """

    amqp_url: BrokerAddress = field(default_factory=lambda: BrokerAddress.parse("amqp://guest:guest@localhost:5672/"))
    history_url: DatabaseUrl = field(default_factory=lambda: parse_database_url("sqlite:///var/history.db"))
    alerts_url: DatabaseUrl = field(default_factory=lambda: parse_database_url("sqlite:///var/alerts.db"))
    results_url: DatabaseUrl = field(default_factory=lambda: parse_database_url("sqlite:///var/celery.db"))
    provider: tuple[str, ...] = ("simulated",)
    symbols: tuple[str, ...] = ("AAPL", "MSFT", "GOOG", "AMZN", "META")
    schedule: Schedule = field(default_factory=lambda: Schedule.parse("5m"))
    replay_file: Path | None = None
    market: str | None = None
    # None serves neither the API nor the page.
    http: HttpAddress | None = field(default_factory=lambda: parse_http("127.0.0.1:8000"))
    http_hosts: tuple[str, ...] = ()
    api_token: str | None = field(default=None, repr=False)
    # The age after which quotes are removed from the history; None keeps them for ever.
    retention: timedelta | None = None
    # Keyed by provider. Each field of an account is a setting, such as STOCKWIRE_TWELVEDATA_KEY.
    accounts: Mapping[str, Account] = field(default_factory=lambda: dict(ACCOUNTS))


def load_settings(environ: Mapping[str, str] | None = None, dotenv: Path = ROOT / ".env") -> Settings:
    """Return the settings of this process.

    The environment overrides the options of a running `up`, and these override `.env`. Raises SettingsError, with the
    name of the setting, for an invalid value and for an unknown `STOCKWIRE_*` name, and with the line for a line of
    `.env` that is not `NAME=value`.
    """
    environ = os.environ if environ is None else environ
    file = read_dotenv(dotenv)
    values = {**_values(file), **_read_running(), **environ}
    arguments: dict[str, Any] = {}
    accounts = dict(ACCOUNTS)
    for name, value in values.items():
        if not resembles_setting(name) or is_service_variable(name, value):
            continue
        if name in _ACCOUNT_FIELDS:
            provider, field_name = _ACCOUNT_FIELDS[name]
            accounts[provider] = _parse(name, value, partial(change_account, accounts[provider], field_name))
        elif name.removeprefix(PREFIX) in _PARSERS:
            key = name.removeprefix(PREFIX)
            arguments[key.lower()] = _parse(name, value, _PARSERS[key])
        else:
            place = f" (line {file[name].line} of {dotenv})" if name in file and name not in environ else ""
            raise SettingsError(f"{name} is not a setting of Stockwire: {_find_names(name)}{place}")
    return Settings(**arguments, accounts=accounts)


def write_running(values: Mapping[str, str]) -> None:
    """Write the options of a running `up`, by setting name, for the commands that run beside it.

    The file is replaced as a whole, and only its owner can read it, because a URL may hold a password. Raises
    SettingsError.
    """
    new_file = UP_SETTINGS.with_suffix(".new")
    lines = (f"{name}='{value.translate(_QUOTED)}'\n" for name, value in values.items())
    try:
        new_file.unlink(missing_ok=True)
        new_file.touch(mode=0o600)
        new_file.write_text("".join(lines))
        new_file.replace(UP_SETTINGS)
    except OSError as error:
        raise SettingsError(f"{UP_SETTINGS} cannot be written: {error.strerror}") from error


def is_private_broker(address: BrokerAddress) -> bool:
    """Return True if this is the address of the private RabbitMQ of an `up` that runs now."""
    url = _read_running().get(f"{PREFIX}AMQP_URL")
    return url is not None and BrokerAddress.parse(url) == address


def parse_database_url(text: str) -> DatabaseUrl:
    """Return the URL, with the relative path of a SQLite file below the project's folder. Raises ValueError."""
    return DatabaseUrl.parse(text, ROOT)


def parse_stored_url(text: str) -> DatabaseUrl:
    """Return the URL of a database that outlives its process. Raises ValueError."""
    url = parse_database_url(text)
    if url.is_in_memory:
        raise ValueError("is a database in memory, which ends with its process: use a file, sqlite:///var/NAME.db")
    return url


def parse_symbols(text: str) -> tuple[str, ...]:
    """Return the symbols of `aapl, BRK.B, AAPL`: in upper case, each one once. Raises ValueError."""
    symbols = [part for part in re.split(r"[,\s]+", text) if part]
    if not symbols:
        raise ValueError("names no symbol")
    try:
        return tuple(dict.fromkeys(read_symbol(symbol) for symbol in symbols))
    except InvalidEvent as error:
        raise ValueError(str(error)) from error


def parse_providers(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not names:
        raise ValueError("names no provider")
    return names


def parse_replay_file(text: str) -> Path | None:
    return ROOT / expand_home(text) if text else None


def parse_market(text: str) -> str | None:
    """Return a market's code (ISO 10383, or a name of the calendars), or None for empty text. Raises ValueError."""
    market = text.strip().upper()
    if not re.fullmatch(r"[A-Z0-9_/.]{0,20}", market):
        raise ValueError(f"{text[:40]!r} is not a market such as XNYS")
    return market or None


def parse_retention(text: str) -> timedelta | None:
    """Return the age after which quotes are removed, or None for empty text. Raises ValueError."""
    if not text.strip():
        return None
    age = parse_duration(text)
    if age > MAX_RETENTION:
        raise ValueError(f"{text[:40]!r} is longer than 100 years: without this setting, every price is kept")
    return age


_PARSERS: Mapping[str, Callable[[str], Any]] = {
    "AMQP_URL": BrokerAddress.parse,
    "HISTORY_URL": parse_stored_url,
    "ALERTS_URL": parse_stored_url,
    "RESULTS_URL": parse_database_url,
    "PROVIDER": parse_providers,
    "SYMBOLS": parse_symbols,
    "SCHEDULE": Schedule.parse,
    "REPLAY_FILE": parse_replay_file,
    "MARKET": parse_market,
    "HTTP": parse_http,
    "HTTP_HOSTS": parse_http_hosts,
    "API_TOKEN": parse_token,
    "RETENTION": parse_retention,
}
_ACCOUNT_FIELDS = {
    f"{PREFIX}{provider.upper()}_{field_name}": (provider, field_name) for provider in ACCOUNTS for field_name in FIELDS
}
# A value in single quotes needs a backslash before these characters.
_QUOTED = str.maketrans({"\\": "\\\\", "'": "\\'"})


def _parse(name: str, value: str, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(value)
    except ValueError as error:
        raise SettingsError(f"{name}: {error}") from error


def _find_names(name: str) -> str:
    """Return what to write instead of an unknown name."""
    known = re.sub("[.-]", "_", name).upper()
    is_known = known in _ACCOUNT_FIELDS or known.removeprefix(PREFIX) in _PARSERS
    of_accounts = ", ".join(f"_{field_name}" for field_name in FIELDS)
    names = ", ".join(PREFIX + each for each in _PARSERS)
    advice = f"write {known}, in upper case; the settings are" if is_known else "use one of"
    return f"{advice} {names}, or {PREFIX}<PROVIDER> with {of_accounts}"


def _read_running() -> dict[str, str]:
    # The options of another user's `up` are private, because a URL may hold a password.
    if not os.access(UP_SETTINGS, os.R_OK):
        return {}
    return _values(read_dotenv(UP_SETTINGS, interpolate=False)) if is_locked(UP_LOCK) else {}


def _values(file: Mapping[str, Assignment]) -> dict[str, str]:
    return {name: each.value for name, each in file.items()}
