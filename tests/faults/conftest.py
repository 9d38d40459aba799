"""Fixtures of the fault tests: a printed seed, a pipeline per test, and a broker that the test may kill."""

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
MINUTES = "--minutes"
DEFAULT_MINUTES = 3.0


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        MINUTES, type=float, default=DEFAULT_MINUTES, help="How long the nightly test kills processes. A night is 480."
    )


def pytest_configure(config: pytest.Config) -> None:
    # Set before any pytest-xdist worker starts, so that all workers use the printed seed.
    os.environ.setdefault(SEED, str(random.SystemRandom().randrange(1_000_000)))


def pytest_report_header() -> str:
    return f"fault seed: {os.environ[SEED]} ({SEED}={os.environ[SEED]} repeats it)"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give fault tests more time, unless a test has its own limit."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and item.get_closest_marker("timeout") is None:
            nightly = "minutes" in getattr(item, "fixturenames", ())
            item.add_marker(pytest.mark.timeout(TIMEOUT + (60 * chosen_minutes(config) if nightly else 0)))


def chosen_minutes(config: pytest.Config) -> float:
    # pytest knows the option only if it is told to run tests of this folder.
    return float(config.getoption(MINUTES, default=DEFAULT_MINUTES))


@pytest.fixture
def minutes(pytestconfig: pytest.Config) -> float:
    """The minutes that a test goes on."""
    return chosen_minutes(pytestconfig)


@pytest.fixture
def chaos(request: pytest.FixtureRequest) -> random.Random:
    """The random numbers of a test. The same seed gives the same numbers."""
    seed = f"{os.environ[SEED]} {request.node.nodeid}"
    print(f"fault seed: {os.environ[SEED]} ({SEED}={os.environ[SEED]} repeats it)")
    return random.Random(seed)


@pytest.fixture
def pipeline(broker: BrokerAddress, tmp_path: Path) -> Pipeline:
    """A pipeline on the broker that all tests share, which the test must not harm."""
    return Pipeline(broker, tmp_path)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[PrivateBroker]:
    """A broker that belongs to the test, which may kill and block it."""
    folder = tmp_path / "rabbitmq"
    try:
        with private_broker(folder) as broker:
            yield broker
    except ProcessError as error:
        unavailable(str(error))


@pytest.fixture
def own_pipeline(node: PrivateBroker, tmp_path: Path) -> Pipeline:
    """A pipeline on the test's own broker, with a short heartbeat so that silence is noticed soon."""
    return Pipeline(replace(node.address, heartbeat=2), tmp_path)
