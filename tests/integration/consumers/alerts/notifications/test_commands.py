"""The commands `stockwire notify` and `stockwire alerts redeliver`, run with the words that a user types."""

import json
import logging
import os
import sqlite3
import stat
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import typer
from sqlalchemy.engine import make_url

from consumers.alerts.commands import alerts
from consumers.alerts.notifications.commands import notify
from consumers.alerts.notifications.deliveries import Change, State, pending_deliveries, record_changes
from consumers.alerts.notifications.signing import check_secret, generate_secret
from consumers.alerts.notifications.target_store import disable_target, find_target
from consumers.alerts.rules.options import Options
from consumers.alerts.rules.parser import parse_terms
from consumers.alerts.rules.store import add_rule
from shared.database.engine import opened, reading, writing
from shared.database.sqlite.privacy import make_private
from shared.errors import DeliveryFailed, SettingsError, StorageError
from tests.command_line import run_command
from tests.event_factories import NOW
from tests.fake_http_server import Answer, always, fake_http_server
from tests.integration.consumers.alerts.notifications.conftest import Outbox
from tests.webhook_receiver import verify

Command = Callable[..., str]
URL = "https://user:pass-word@hooks.example.com/services/a-secret-token?key=another"
SECRETS = ("a-secret-token", "pass-word", "another")

app = typer.Typer(pretty_exceptions_enable=False)
app.add_typer(notify, name="notify")
app.add_typer(alerts, name="alerts")


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite:///{tmp_path / 'alerts.db'}"
    monkeypatch.setenv("STOCKWIRE_ALERTS_URL", url)
    return url


@pytest.fixture
def stockwire(url: str) -> Command:
    """Return a function that runs a command, returns its output and raises its exception."""

    def run(*words: str, stdin: str = "", exit_code: int = 0) -> str:
        return run_command(app, words, stdin=stdin, exit_code=exit_code).output

    return run


@pytest.fixture
def outbox(url: str, stockwire: Command) -> Iterator[Outbox]:
    stockwire("notify", "add", "hook", "http://127.0.0.1:1/a-secret-token")
    with opened(make_url(url)) as engine:
        yield Outbox(engine)


def test_a_target_is_added_listed_and_removed_without_showing_its_url(stockwire: Command) -> None:
    output = stockwire("notify", "add", "hook", URL, "--at-most", "10/1m", "--ttl", "2h")
    assert output == (
        "added target hook (https://hooks.example.com); ./stockwire notify test hook sends it a message\n"
    )
    for output_format in ("table", "csv", "json"):
        output += stockwire("notify", "list", "--format", output_format)
    [row] = json.loads(stockwire("notify", "list", "--format", "json"))
    assert row == {
        "name": "hook",
        "address": "https://hooks.example.com",
        "signed": "no",
        "at_most": "10/1m",
        "ttl": "2h",
        "state": "enabled",
        "pending": 0,
        "undelivered": 0,
    }
    output += stockwire("notify", "remove", "hook")
    assert not any(secret in output for secret in SECRETS)
    assert "no targets; add one" in stockwire("notify", "list")


def test_a_generated_secret_is_printed_once(stockwire: Command) -> None:
    added = stockwire("notify", "add", "hook", "https://example.com/", "--secret", "generate")
    secret = added.splitlines()[1].removeprefix("secret, which is not shown again: ")
    assert check_secret(secret) == secret
    assert secret not in stockwire("notify", "list", "--format", "json")
    assert json.loads(stockwire("notify", "list", "--format", "json"))[0]["signed"] == "yes"


def test_url_and_secret_can_come_from_standard_input(stockwire: Command) -> None:
    secret = generate_secret()
    with fake_http_server(always(Answer("ok"))) as server:
        added = stockwire("notify", "add", "hook", "-", "--secret", "-", stdin=f"{server.url}/x\n{secret}\n")
        assert secret not in added
        stockwire("notify", "test", "hook")
        verify(server.requests[0], secret)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a b", "https://example.com/a-secret-token"], "target name 'a b' is not valid"),
        (["hook", "example.com/a-secret-token"], "the target's URL is not valid"),
        (["hook", "https://host:port/a-secret-token"], "no valid host and port"),
        (["hook", "https://example.com", "--secret", "whsec_another"], "the secret is not valid"),
        (["hook", "nope://a-secret-token"], "apprise does not know a URL of this form"),
        (["hook", "json://localhost/x", "--secret", "generate"], "only http and https messages are signed"),
    ],
)
def test_what_is_not_valid_is_one_line_without_the_secret(stockwire: Command, words: list[str], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as raised:
        stockwire("notify", "add", *words)
    assert not any(secret in str(raised.value) for secret in SECRETS)
    assert stockwire("notify", "list", "--format", "json") == "[]\n"


@pytest.mark.parametrize("words", [["--at-most", "0/1m"], ["--at-most", "ten"], ["--ttl", "0s"], ["--ttl", "8d"]])
def test_a_limit_that_is_not_valid_is_wrong_usage(stockwire: Command, words: list[str]) -> None:
    stockwire("notify", "add", "hook", "https://example.com", *words, exit_code=2)


def test_a_test_message_is_of_a_type_of_its_own(stockwire: Command) -> None:
    with fake_http_server(always(Answer("ok"))) as server:
        stockwire("notify", "add", "hook", f"{server.url}/a-secret-token")
        assert stockwire("notify", "test", "hook") == f"target hook ({server.url}) took the test message\n"
        [request] = server.requests
    event = json.loads(request.body)
    assert (event["type"], event["id"]) == ("TARGET_TEST", request.headers["webhook-id"])
    assert event["data"]["target"] == "hook"


def test_a_test_message_goes_through_apprise_too(stockwire: Command) -> None:
    with fake_http_server(always(Answer("ok"))) as server:
        stockwire("notify", "add", "push", f"{server.url.replace('http', 'json')}/a-secret-token")
        assert stockwire("notify", "test", "push") == "target push (json://…) took the test message\n"
    assert "Test message for target push" in json.loads(server.requests[0].body)["message"]


def test_a_target_that_does_not_take_the_test_message_is_an_error(
    stockwire: Command, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with fake_http_server(always(Answer("a-secret-token", 404))) as server:
        stockwire("notify", "add", "hook", f"{server.url}/a-secret-token")
        with pytest.raises(DeliveryFailed, match="did not take the test message: 404 Not Found") as raised:
            stockwire("notify", "test", "hook")
    assert "a-secret-token" not in f"{raised.value} {raised.value.__cause__} {caplog.text}"


@pytest.mark.parametrize("command", ["test", "remove"])
def test_an_unknown_target_is_an_error_that_names_the_command_which_lists_them(
    stockwire: Command, command: str
) -> None:
    with pytest.raises(SettingsError, match=r"there is no target 'none': \./stockwire notify list"):
        stockwire("notify", command, "none")


def test_a_disabled_target_is_enabled_by_a_test_message_that_it_takes(stockwire: Command, url: str) -> None:
    with fake_http_server(always(Answer("", 410))) as server:
        stockwire("notify", "add", "hook", server.url)
        with opened(make_url(url)) as engine, writing(engine) as connection:
            disable_target(connection, find_target(connection, "hook"), "410 Gone", NOW)
        assert json.loads(stockwire("notify", "list", "--format", "json"))[0]["state"] == "disabled: 410 Gone"
        with pytest.raises(DeliveryFailed):
            stockwire("notify", "test", "hook")
        server.answer = always(Answer("ok"))
        assert "target hook is enabled again" in stockwire("notify", "test", "hook")
    assert json.loads(stockwire("notify", "list", "--format", "json"))[0]["state"] == "enabled"


def test_undelivered_alerts_are_listed_and_sent_again(stockwire: Command, outbox: Outbox) -> None:
    assert "no undelivered alerts" in stockwire("alerts", "--undelivered")
    outbox.queue(2, "nobody")
    table = stockwire("alerts", "--undelivered").splitlines()
    assert table[0].split() == ["raised_at", "target", "symbol", "rule_name", "price", "result", "attempts", "error"]
    assert table[1].split(maxsplit=7)[1:] == [
        "nobody", "AAPL", "target", "187.44", "failed", "0", "there is no target nobody",
    ]  # fmt: skip
    rows = json.loads(stockwire("alerts", "--undelivered", "--format", "json"))
    assert [(row["id"], row["target"], row["result"]) for row in rows] == [
        ("alert-1", "nobody", "failed"),
        ("alert-2", "nobody", "failed"),
    ]
    assert len(stockwire("alerts", "--undelivered", "--limit", "1").splitlines()) == 2
    with pytest.raises(SettingsError, match="there is no target 'nobody'"):
        stockwire("alerts", "redeliver")
    stockwire("notify", "add", "nobody", "https://example.com")
    assert stockwire("alerts", "redeliver", "alert-2").endswith("within 2 seconds: 1\n")
    assert outbox.states() == ["failed", "pending"]
    assert json.loads(stockwire("notify", "list", "--format", "json"))[0]["state"] == "enabled"
    with pytest.raises(SettingsError, match="no undelivered alert has this id"):
        stockwire("alerts", "redeliver", "alert-2")
    assert stockwire("alerts", "redeliver", "--target", "hook") == "there is nothing to send again\n"
    assert stockwire("alerts", "redeliver", "--since", "2024-11-20").endswith("within 2 seconds: 1\n")


def test_removing_a_target_tells_what_it_did_not_get(stockwire: Command, outbox: Outbox) -> None:
    outbox.queue(3, "hook")
    assert stockwire("notify", "remove", "hook").endswith("which ./stockwire alerts --undelivered lists: 3\n")


def test_removing_a_target_names_the_rules_that_still_name_it(stockwire: Command, outbox: Outbox) -> None:
    for name in ("up", "down"):
        add_rule(outbox.engine, name, parse_terms("AAPL above 200"), NOW, Options(notify=("hook",)))
    assert "rules that still name it: down, up; change them with" in stockwire("notify", "remove", "hook")


def test_commands_that_only_read_create_no_database(stockwire: Command, tmp_path: Path) -> None:
    stockwire("notify", "list")
    stockwire("alerts", "--undelivered")
    assert list(tmp_path.iterdir()) == []


def permissions(folder: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.glob("alerts.db*")}


def test_the_database_is_readable_by_its_owner_alone(stockwire: Command, url: str, tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        stockwire("notify", "add", "hook", URL)
        with opened(make_url(url)) as engine, reading(engine) as connection:
            find_target(connection, "hook")
            assert permissions(tmp_path) == {"alerts.db": 0o600, "alerts.db-wal": 0o600, "alerts.db-shm": 0o600}
    finally:
        os.umask(mask)


def test_the_files_behind_a_symbolic_link_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link, real = tmp_path / "alerts.db", tmp_path / "real" / "alerts.db"
    link.symlink_to(real)
    make_private(link)
    assert permissions(real.parent) == {"alerts.db": 0o600}
    for name in ("alerts.db", "alerts.db-wal", "alerts.db-shm"):
        (real.parent / name).touch()
        (real.parent / name).chmod(0o644)
    make_private(link)
    assert set(permissions(real.parent).values()) == {0o600}


def test_an_error_of_the_database_has_no_part_of_the_url(
    stockwire: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.database.engine.BUSY_TIMEOUT", 0.05)
    stockwire("notify", "add", "hook", URL)
    with closing(sqlite3.connect(tmp_path / "alerts.db", isolation_level=None)) as other:
        other.execute("CREATE TRIGGER refuse BEFORE INSERT ON targets BEGIN SELECT RAISE(ABORT, 'refused'); END")
        with pytest.raises(StorageError, match="refused") as raised:
            stockwire("notify", "add", "other", URL)
    text = "".join(traceback.format_exception(raised.value))
    assert "INSERT INTO targets" in text
    assert not any(secret in text for secret in SECRETS)


def test_the_list_shows_why_alerts_are_pending(stockwire: Command, outbox: Outbox) -> None:
    outbox.queue(2, "hook")
    with reading(outbox.engine) as connection:
        head = pending_deliveries(connection, "hook", 1)[0]
    with writing(outbox.engine) as connection:
        record_changes(connection, [Change(head, State.PENDING, 1, NOW, "503 Service Unavailable")], NOW)
    [row] = json.loads(stockwire("notify", "list", "--format", "json"))
    assert (row["state"], row["pending"], row["undelivered"]) == ("failing: 503 Service Unavailable", 2, 0)


def test_a_database_that_others_can_read_is_closed_to_them(stockwire: Command, url: str, tmp_path: Path) -> None:
    stockwire("notify", "add", "hook", URL)
    with opened(make_url(url)) as engine, reading(engine) as connection:
        find_target(connection, "hook")
        for file in tmp_path.glob("alerts.db*"):
            file.chmod(0o644)
        stockwire("notify", "add", "other", URL)
        assert permissions(tmp_path) == {"alerts.db": 0o600, "alerts.db-wal": 0o600, "alerts.db-shm": 0o600}
