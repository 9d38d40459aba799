"""The environment of the tests that run the alerts consumer."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.messaging.address import BrokerAddress
from tests.alerts_environment import AlertsEnvironment, alerts_environment


@pytest.fixture
def environment(broker: BrokerAddress, tmp_path: Path) -> Iterator[AlertsEnvironment]:
    with alerts_environment(broker, tmp_path) as environment:
        yield environment
