"""Checks of the container files that need no Docker engine."""

import fnmatch
import importlib.util
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values
from ruamel.yaml import YAML

from infra.permissions.users import process_users
from shared.accounts import ACCOUNTS, FIELDS
from shared.messaging.address import BrokerAddress
from shared.setting_names import PREFIX
from shared.settings import ROOT, Settings, load_settings

TOOLS = Path(sys.executable).parent
DOCKERFILE = ROOT / "infra/docker/Dockerfile"
COMPOSE = ROOT / "docker-compose.yml"
WITH_TLS = ROOT / "docker-compose.tls.yml"
EXAMPLE = ROOT / ".env.example"
KNOWN = {PREFIX + each.name.upper() for each in fields(Settings) if each.name != "accounts"} | {
    f"{PREFIX}{provider.upper()}_{field}" for provider in ACCOUNTS for field in FIELDS
}
OURS = ("worker", "beat", "history", "alerts", "web")
USERS = (*OURS, "operator")

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """Return the file as Compose reads it if no variable is set."""
    text = _VARIABLE.sub(lambda match: match[2] or "", COMPOSE.read_text())
    return dict(YAML(typ="safe").load(text))


def run_tool(*words: str) -> None:
    done = subprocess.run([TOOLS / words[0], *words[1:]], cwd=ROOT, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.fail(f"{words[0]}:\n{done.stdout}{done.stderr}", pytrace=False)


def copied() -> list[str]:
    """Return the paths that the Dockerfile copies into the image."""
    return [
        source
        for line in re.findall(r"^COPY (.+)$", DOCKERFILE.read_text(), re.MULTILINE)
        for source in line.split()[:-1]
    ]


class TestCompose:
    def test_it_is_valid_by_the_compose_specification(self) -> None:
        run_tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE), str(WITH_TLS))

    def test_it_has_a_broker_a_worker_one_beat_and_each_consumer(self, compose: dict[str, Any]) -> None:
        assert set(compose["services"]) == {"permissions", "rabbitmq", "operator", *OURS}
        beats = [name for name, service in compose["services"].items() if "beat" in service.get("command", [])]
        assert beats == ["beat"]
        assert compose["services"]["beat"]["scale"] == 1

    @pytest.mark.parametrize("name", OURS)
    def test_a_command_resolves_to_a_module_in_the_image(self, name: str, compose: dict[str, Any]) -> None:
        command = compose["services"][name]["command"]
        module = command[2]
        assert command[:2] in (["celery", "-A"], ["python", "-m"])
        assert importlib.util.find_spec(module) is not None
        assert f"{module}/" in copied()

    @pytest.mark.parametrize("name", ["history", "alerts"])
    def test_a_consumer_is_one_that_exists(self, name: str, compose: dict[str, Any]) -> None:
        assert compose["services"][name]["command"] == ["python", "-m", "consumers", name]
        listed = subprocess.run(
            [sys.executable, "-m", "consumers", "--list"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert re.search(rf"\b{name}\b", listed.stdout)

    @pytest.mark.parametrize("name", ["worker", "beat"])
    def test_celery_knows_the_command(self, name: str, compose: dict[str, Any]) -> None:
        command = compose["services"][name]["command"]
        run_tool(*command, "--help")

    @pytest.mark.parametrize("name", OURS)
    def test_every_setting_is_known_and_can_be_used_without_an_env_file(
        self, name: str, compose: dict[str, Any], tmp_path: Path
    ) -> None:
        environment = compose["services"][name]["environment"]
        assert set(environment) <= KNOWN
        settings = load_settings({key: value or "" for key, value in environment.items()}, tmp_path / ".env")
        for each in fields(Settings):
            assert getattr(settings, each.name) == getattr(Settings(), each.name)

    def test_every_variable_has_a_default_and_is_a_setting(self) -> None:
        variables = _VARIABLE.findall(COMPOSE.read_text())
        assert variables
        assert {name for name, _ in variables} <= KNOWN
        assert len(variables) == COMPOSE.read_text().count(":-")

    @pytest.mark.parametrize("name", OURS)
    def test_databases_are_on_the_volume(self, name: str, compose: dict[str, Any]) -> None:
        """The container's ROOT is /app."""
        service = compose["services"][name]
        assert "var:/app/var" in service["volumes"]
        for setting in ("HISTORY", "ALERTS", "RESULTS"):
            assert service["environment"][f"STOCKWIRE_{setting}_URL"].startswith("sqlite:///var/")

    @pytest.mark.parametrize("name", OURS)
    def test_our_services_wait_for_the_broker_restart_and_have_time_to_finish(
        self, name: str, compose: dict[str, Any]
    ) -> None:
        service = compose["services"][name]
        assert service["depends_on"] == {"rabbitmq": {"condition": "service_healthy"}}
        assert service["restart"] == "unless-stopped"
        assert service["init"] is True
        assert service["cap_drop"] == ["ALL"]
        if name != "beat":
            assert service["stop_grace_period"] in ("45s", "1m")

    @pytest.mark.parametrize("name", USERS)
    def test_each_service_mounts_the_url_of_its_own_user_and_no_other(self, name: str, compose: dict[str, Any]) -> None:
        service = compose["services"][name]
        assert [each for each in service["volumes"] if each.startswith("amqp-")] == [f"amqp-{name}:/run/amqp:ro"]
        assert "STOCKWIRE_AMQP_URL" not in service["environment"]
        assert f"amqp-{name}:/run/amqp/{name}" in compose["services"]["permissions"]["volumes"]

    def test_the_entry_point_reads_the_url_and_runs_the_command(self, compose: dict[str, Any], tmp_path: Path) -> None:
        (tmp_path / "url").write_text("amqp://rabbit/\n")
        entry_point = compose["services"]["history"]["entrypoint"]
        shell = [word.replace("$$", "$").replace("/run/amqp", str(tmp_path)) for word in entry_point]
        command = [*shell, "sh", "-c", "echo $STOCKWIRE_AMQP_URL $0", "a b"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.stdout == "amqp://rabbit/ a b\n"

    def test_users_and_passwords_are_written_before_the_broker_starts(self, compose: dict[str, Any]) -> None:
        permissions = compose["services"]["permissions"]
        assert compose["services"]["rabbitmq"]["depends_on"] == {
            "permissions": {"condition": "service_completed_successfully"}
        }
        assert importlib.util.find_spec(permissions["command"][2]) is not None
        assert {user.process for user in process_users()} == set(USERS)
        assert permissions["network_mode"] == "none"
        assert BrokerAddress.parse(permissions["environment"]["STOCKWIRE_AMQP_URL"]).host == "rabbitmq"

    def test_with_tls_every_client_gets_the_authority_and_only_the_broker_the_key(self) -> None:
        override = YAML(typ="safe").load(WITH_TLS.read_text())["services"]
        url = override["permissions"]["environment"]["STOCKWIRE_AMQP_URL"]
        address = BrokerAddress.parse(url)
        assert (address.host, address.port) == ("rabbitmq", 5671)
        assert address.tls is not None
        for name in USERS:
            [volume] = override[name]["volumes"]
            assert volume.split(":")[1:] == [address.tls.cacertfile, "ro"]
        assert any("server.key" in volume for volume in override["rabbitmq"]["volumes"])
        assert all(port.startswith("127.0.0.1:") for port in override["rabbitmq"]["ports"])

    def test_the_broker_keeps_its_data_under_its_own_name(self, compose: dict[str, Any]) -> None:
        rabbitmq = compose["services"]["rabbitmq"]
        assert re.fullmatch(r"rabbitmq:4\.\d+-management", rabbitmq["image"])
        assert rabbitmq["hostname"] == "rabbitmq"
        assert "rabbitmq:/var/lib/rabbitmq" in rabbitmq["volumes"]
        assert rabbitmq["healthcheck"]["test"][:2] == ["CMD", "rabbitmq-diagnostics"]

    def test_published_ports_are_bound_to_this_machine_alone(self, compose: dict[str, Any]) -> None:
        ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
        assert ports
        assert all(port.startswith("127.0.0.1:") for port in ports)

    def test_the_broker_is_reached_over_a_network_without_a_way_out(self, compose: dict[str, Any]) -> None:
        assert compose["networks"]["messages"]["internal"] is True
        outside = {name for name, service in compose["services"].items() if "outside" in service.get("networks", ())}
        assert outside == {"rabbitmq", "worker", "alerts", "web", "operator"}
        assert all("messages" in compose["services"][name]["networks"] for name in ("rabbitmq", *USERS))

    def test_every_volume_and_mounted_file_exists(self, compose: dict[str, Any]) -> None:
        for service in compose["services"].values():
            for volume in service["volumes"]:
                source = volume.split(":")[0]
                assert (ROOT / source).is_file() if source.startswith("./") else source in compose["volumes"]


class TestTheImage:
    def test_hadolint_finds_nothing(self) -> None:
        run_tool("hadolint", "--failure-threshold", "info", str(DOCKERFILE))

    def test_every_copied_file_exists_and_is_not_ignored(self) -> None:
        taken = (ROOT / ".dockerignore").read_text().split("\n")
        for source in copied():
            assert (ROOT / source).exists(), source
            assert f"!{source}" in taken, source

    def test_it_copies_every_package(self) -> None:
        packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
        requirements = {f"requirements{each}.txt" for each in ("", "-market", "-notify", "-postgresql")}
        assert {source.rstrip("/") for source in copied()} == packages | requirements

    @pytest.mark.parametrize(
        ("arguments", "installed"),
        [
            ({}, ["requirements.txt"]),
            ({"STOCKWIRE_MARKET": "XNYS"}, ["requirements.txt", "requirements-market.txt"]),
            ({"APPRISE": "1"}, ["requirements.txt", "requirements-notify.txt"]),
            ({"POSTGRESQL": "1"}, ["requirements.txt", "requirements-postgresql.txt"]),
        ],
        ids=str,
    )
    def test_it_installs_the_libraries_that_the_build_arguments_ask_for(
        self, arguments: dict[str, str], installed: list[str]
    ) -> None:
        command = re.search(r"^RUN pip ((?:.*\\\n)*.*)$", DOCKERFILE.read_text(), re.MULTILINE)
        assert command
        shell = f"pip() {{ printf '%s\\n' \"$@\"; }}; pip {command[1]}"
        done = subprocess.run(["sh", "-c", shell], env=arguments, capture_output=True, text=True, check=True)
        assert re.findall(r"--requirement\n(\S+)", done.stdout) == installed
        assert re.findall(r'^ARG (\w+)=""$', DOCKERFILE.read_text(), re.MULTILINE) == [
            "STOCKWIRE_MARKET",
            "APPRISE",
            "POSTGRESQL",
        ]

    @pytest.mark.parametrize("name", [".env", "var/history.db", ".git/config", ".venv/bin/python", "tests/conftest.py"])
    def test_nothing_else_gets_into_it(self, name: str) -> None:
        ignored = False
        for line in (ROOT / ".dockerignore").read_text().splitlines():
            pattern = line.strip()
            if not pattern or pattern.startswith("#"):
                continue
            wanted = pattern.startswith("!")
            if fnmatch.fnmatch(name, f"{pattern.lstrip('!')}*"):
                ignored = not wanted
        assert ignored

    def test_it_runs_as_a_user_who_may_write_only_to_the_folder_of_the_databases(self) -> None:
        text = DOCKERFILE.read_text()
        user = re.search(r"^USER (\d+)$", text, re.MULTILINE)
        assert user
        assert int(user[1]) >= 1000
        assert f"--uid {user[1]}" in text
        assert "--owner stockwire" in text

    def test_its_python_is_pinned_to_a_minor_version_that_the_project_takes(self) -> None:
        base = re.search(r"^FROM python:3\.(\d+)-slim$", DOCKERFILE.read_text(), re.MULTILINE)
        assert base
        assert int(base[1]) >= 11


class TestExampleOfSettings:
    @pytest.fixture
    def uncommented(self, tmp_path: Path) -> Path:
        """Write the example with every setting uncommented, and return its path."""
        file = tmp_path / ".env"
        file.write_text(re.sub(r"^# (STOCKWIRE_\w+=)", r"\1", EXAMPLE.read_text(), flags=re.MULTILINE))
        return file

    def test_it_names_every_setting(self, uncommented: Path) -> None:
        assert set(dotenv_values(uncommented)) == KNOWN

    def test_it_says_the_defaults(self, uncommented: Path) -> None:
        assert load_settings({}, uncommented) == Settings()

    def test_unchanged_it_sets_nothing(self) -> None:
        assert dotenv_values(EXAMPLE) == {}


@pytest.mark.parametrize(
    "path",
    [COMPOSE, WITH_TLS, DOCKERFILE, EXAMPLE, *sorted((ROOT / "infra/rabbitmq").iterdir())],
    ids=lambda path: path.name,
)
def test_no_file_holds_a_secret(path: Path) -> None:
    """The only credentials in these files are those of RabbitMQ's guest, which are not a secret."""
    text = path.read_text()
    assert not re.search(r"(?i)(pass(word|wd)?|secret|token|api_?key)[ \t]*[:=][ \t]*(?!\$\{|-\})\S", text)
    credentials = re.findall(r"://([^/@\s]+)@", text)
    assert set(credentials) <= {"guest:guest"}
