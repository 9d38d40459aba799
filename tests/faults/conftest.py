"""What every fault test starts from: a seed that is printed, a pipeline of its own, and a broker it may kill."""

import os
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from infra.up.rabbitmq import PrivateBroker, private_broker
from shared.errors import ProcessError
from shared.messaging.address import BrokerAddress
from tests.conftest import unavailable
from tests.faults.pipeline import Pipeline

SEED = "FAULT_SEED"
TIMEOUT = 600


def pytest_configure(config: pytest.Config) -> None:
    # Set before any worker of pytest-xdist starts, so that all of them have the one that is printed.
    os.environ.setdefault(SEED, str(random.SystemRandom().randrange(1_000_000)))


def pytest_report_header() -> str:
    return f"fault seed: {os.environ[SEED]} ({SEED}={os.environ[SEED]} repeats it)"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Faults take their time: a limit of one's own still wins."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TIMEOUT))


@pytest.fixture
def chaos(request: pytest.FixtureRequest) -> random.Random:
    """What decides when something is killed; the same seed and test decide the same."""
    seed = f"{os.environ[SEED]} {request.node.nodeid}"
    print(f"fault seed: {os.environ[SEED]} ({SEED}={os.environ[SEED]} repeats it)")
    return random.Random(seed)


@pytest.fixture
def pipeline(broker: BrokerAddress, tmp_path: Path) -> Pipeline:
    """A virtual host of the broker that all tests share, which must not be harmed."""
    return Pipeline(broker, tmp_path)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[PrivateBroker]:
    """A broker of the test's own, to be killed and blocked."""
    folder = tmp_path / "rabbitmq"
    try:
        with private_broker(folder) as broker:
            yield broker
    except ProcessError as error:
        unavailable(str(error))


@pytest.fixture
def own_pipeline(node: PrivateBroker, tmp_path: Path) -> Pipeline:
    """A pipeline on the broker of the test's own; a short heartbeat, so that silence does not last long."""
    return Pipeline(replace(node.address, heartbeat=2), tmp_path)
