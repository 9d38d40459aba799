"""Variables of containers that only look like settings."""

from pathlib import Path

import pytest

from shared.errors import SettingsError
from shared.settings import Settings, load_settings

NOWHERE = Path("/nowhere/.env")

# Made by Kubernetes for the services stockwire and stockwire-history, and by Docker for linked containers.
SERVICE_VARIABLES = {
    "STOCKWIRE_PORT": "tcp://10.0.0.1:8000",
    "STOCKWIRE_SERVICE_HOST": "10.0.0.1",
    "STOCKWIRE_SERVICE_PORT": "8000",
    "STOCKWIRE_SERVICE_PORT_HTTP": "8000",
    "STOCKWIRE_PORT_8000_TCP": "tcp://10.0.0.1:8000",
    "STOCKWIRE_PORT_8000_TCP_ADDR": "10.0.0.1",
    "STOCKWIRE_PORT_8000_TCP_PORT": "8000",
    "STOCKWIRE_PORT_8000_TCP_PROTO": "tcp",
    "STOCKWIRE_PORT_53_UDP": "udp://10.0.0.1:53",
    "STOCKWIRE_NAME": "/web/stockwire",
    "STOCKWIRE_ENV_PATH": "/usr/bin",
    "STOCKWIRE_1_PORT": "tcp://172.17.0.5:8000",
    "STOCKWIRE_1_NAME": "/web/stockwire_1",
    "STOCKWIRE_1_ENV_LANG": "C",
    "STOCKWIRE_HISTORY_SERVICE_HOST": "fd00::1",
    "STOCKWIRE_HISTORY_PORT": "tcp://[fd00::1]:5432",
    "STOCKWIRE_HISTORY_PORT_5432_TCP_ADDR": "fd00::1",
    "STOCKWIRE_WEB_UI_SERVICE_PORT_HTTPS": "443",
}


def test_variables_of_services_are_ignored() -> None:
    assert load_settings(SERVICE_VARIABLES, NOWHERE) == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STOCKWIRE_PORT", "8000"),
        ("STOCKWIRE_HOST", "10.0.0.1"),
        ("STOCKWIRE_NAME", "prices"),
        ("STOCKWIRE_SERVICE", "on"),
        ("STOCKWIRE_SERVICE_PORT", "http"),
        ("STOCKWIRE_ENV", "production"),
        ("STOCKWIRE_PORT_TCP", "tcp://10.0.0.1:8000"),
        ("STOCKWIRE_SYMBOL", "tcp://10.0.0.1:8000"),
        ("stockwire_port", "tcp://10.0.0.1:8000"),
    ],
)
def test_any_other_unknown_name_is_an_error(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} is not a setting of Stockwire"):
        load_settings({**SERVICE_VARIABLES, name: value}, NOWHERE)


@pytest.mark.parametrize(
    "name", ["CELERY_BROKER_URL", "CELERY_PROVIDER", "FLOWER_PORT", "STOCKWIRES", "MY_STOCKWIRE_X"]
)
def test_variables_of_other_programs_are_ignored(name: str) -> None:
    assert load_settings({name: "nonsense"}, NOWHERE) == Settings()
