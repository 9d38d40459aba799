"""What every acceptance test starts from: settings of its own, and a copy of the project."""

from pathlib import Path

import pytest

from shared.messaging.address import BrokerAddress
from tests.processes import copy_checkout


@pytest.fixture
def environment(broker: BrokerAddress, tmp_path: Path) -> dict[str, str]:
    """A virtual host and databases that no other test knows."""
    return {
        "STOCKWIRE_AMQP_URL": broker.url(),
        "STOCKWIRE_HISTORY_URL": f"sqlite:///{tmp_path / 'history.db'}",
        "STOCKWIRE_ALERTS_URL": f"sqlite:///{tmp_path / 'alerts.db'}",
    }


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The project as a fresh clone has it, with a `var` of its own."""
    return copy_checkout(tmp_path)
