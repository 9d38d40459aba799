"""Fixtures of the acceptance tests: settings and a copy of the project for each test."""

from pathlib import Path

import pytest

from shared.messaging.address import BrokerAddress
from tests.processes import copy_checkout


@pytest.fixture
def environment(broker: BrokerAddress, tmp_path: Path) -> dict[str, str]:
    """Settings with a virtual host and databases that no other test uses."""
    return {
        "STOCKWIRE_AMQP_URL": broker.url(),
        "STOCKWIRE_HISTORY_URL": f"sqlite:///{tmp_path / 'history.db'}",
        "STOCKWIRE_ALERTS_URL": f"sqlite:///{tmp_path / 'alerts.db'}",
    }


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The project as a fresh clone has it, with a `var` of its own, in a folder with an odd name."""
    return copy_checkout(tmp_path / 'it\'s "100%25" $x #1 für 日本')
