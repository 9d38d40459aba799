"""Celery's configuration by our settings."""

import json
import ssl
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from celery.app.defaults import NAMESPACES, flatten

from producer.celery_app import configuration
from producer.providers.registry import make_providers
from producer.providers.simulated import SimulatedProvider
from shared.errors import SettingsError
from shared.messaging.address import BrokerAddress
from shared.schedule import Schedule
from shared.settings import ROOT, Settings, parse_database_url


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return replace(Settings(), results_url=parse_database_url(f"sqlite:///{tmp_path}/new/celery.db"))


def test_celery_knows_every_name_of_the_configuration(settings: Settings) -> None:
    known = {name for name, _ in flatten(NAMESPACES)} | {"beat_schedule", "stockwire"}
    assert configuration(settings).keys() <= known


def test_only_json_is_accepted_and_sent(settings: Settings) -> None:
    made = configuration(settings)
    assert made["accept_content"] == ["json"]
    assert {made[f"{kind}_serializer"] for kind in ("task", "result", "event")} == {"json"}


def test_the_queue_of_syncs_is_durable_and_has_its_own_exchange(settings: Settings) -> None:
    [queue] = configuration(settings)["task_queues"]
    assert (queue.name, queue.exchange.name, queue.exchange.type) == ("celery.sync", "celery.sync", "direct")
    assert queue.durable
    assert queue.exchange.durable


def test_the_folder_of_the_results_database_is_created(settings: Settings, tmp_path: Path) -> None:
    assert configuration(settings)["result_backend"] == f"db+sqlite:///{tmp_path}/new/celery.db"
    assert (tmp_path / "new").is_dir()


def test_the_url_of_the_results_database_keeps_its_password(settings: Settings) -> None:
    url = parse_database_url("postgresql+psycopg://me:secret@db/results")
    assert configuration(replace(settings, results_url=url))["result_backend"].startswith(
        "db+postgresql+psycopg://me:secret@"
    )


def test_the_time_limit_of_a_sync_is_one_interval_within_bounds(settings: Settings) -> None:
    limits = {
        every: configuration(replace(settings, schedule=Schedule.parse(every)))["task_soft_time_limit"]
        for every in ("5s", "5m", "1d")
    }
    assert limits == {"5s": 60, "5m": 300, "1d": 900}


def test_the_time_limit_of_a_sync_leaves_time_for_each_provider(settings: Settings, tmp_path: Path) -> None:
    providers = ("replay", "replay", "simulated")
    several = replace(settings, provider=providers, replay_file=tmp_path, schedule=Schedule.parse("5s"))
    assert configuration(several)["task_soft_time_limit"] == 180


def test_the_tls_options_of_the_address_are_passed_on(settings: Settings) -> None:
    def tls(url: str) -> dict[str, object] | bool:
        made: dict[str, object] | bool = configuration(replace(settings, amqp_url=BrokerAddress.parse(url)))[
            "broker_use_ssl"
        ]
        return made

    assert tls("amqp://host/") is False
    assert tls("amqps://localhost/?cacertfile=ca.pem") == {
        "ca_certs": "ca.pem",
        "certfile": None,
        "keyfile": None,
        "cert_reqs": ssl.CERT_REQUIRED,
        "server_hostname": "localhost",
    }
    assert dict(tls("amqps://host/?server_name_indication=name") or {})["server_hostname"] == "name"
    assert "server_hostname" not in dict(tls("amqps://host/?verify=verify_none") or {})


def test_providers_are_created_in_their_failover_order(tmp_path: Path) -> None:
    settings = replace(Settings(), provider=("replay", "simulated"), replay_file=tmp_path / "prices.csv")
    assert [provider.name for provider in make_providers(settings, tmp_path)] == ["replay", "simulated"]


def test_an_unknown_provider_is_named_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"STOCKWIRE_PROVIDER: 'yahooo' .* simulated, replay"):
        make_providers(replace(Settings(), provider=("simulated", "yahooo")), tmp_path)


def test_replay_without_a_file_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="STOCKWIRE_REPLAY_FILE is not set"):
        make_providers(replace(Settings(), provider=("replay",)), tmp_path)


def test_the_simulated_provider_is_called_simulated() -> None:
    assert SimulatedProvider().name == "simulated"


def test_the_market_service_does_not_import_celery() -> None:
    script = "import sys, json, producer.market_service; print(json.dumps([n for n in sys.modules if n == 'celery']))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True)
    assert json.loads(done.stdout) == []
