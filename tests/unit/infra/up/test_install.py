"""An error names every way to install RabbitMQ if it is missing and cannot be installed."""

import pytest

from infra.up import install
from shared.errors import ProcessError


def test_without_apt_every_way_to_get_rabbitmq_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ProcessError) as caught:
        install.install_server()
    for way in ("apt-get install rabbitmq-server", "brew", "docker compose up -d rabbitmq", "STOCKWIRE_AMQP_URL"):
        assert way in str(caught.value)
