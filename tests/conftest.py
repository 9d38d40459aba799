"""Fixtures of all tests: one RabbitMQ node for the whole run with a virtual host per test, databases, real prices."""

import gc
import gzip
import os
import signal
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import URL, make_url
from xdist.scheduler import LoadFileScheduling

from consumers.alerts.tables import SCHEMA as ALERTS
from consumers.history.tables import SCHEMA as HISTORY
from infra.up.rabbitmq import PrivateBroker
from shared.errors import ProcessError
from shared.messaging.address import BrokerAddress
from shared.settings import ROOT
from tests.databases import Databases
from tests.postgresql import (
    PostgresqlServer,
    end_shared_postgresql,
    is_installed,
    postgresql_server,
    shared_postgresql,
)
from tests.shared_rabbitmq import end_shared_rabbitmq, shared_rabbitmq, virtual_host

SYMBOLS = frozenset(
    [
        "AAPL",
        "AMZN",
        "BA",
        "BAC",
        "BRK.B",
        "CAT",
        "CVX",
        "DIS",
        "F",
        "GE",
        "GOOG",
        "IBM",
        "INTC",
        "JPM",
        "KO",
        "MSFT",
        "NVDA",
        "PFE",
        "TSLA",
        "XOM",
    ]
)

# A browser and its driver take seconds to start.
BROWSER = "tests/browser/"

# Seconds of processor time. Threads that only wait, such as those of servers, take some hundredths.
BUSY = 5


def unavailable(reason: str) -> None:
    """Skip the test because something cannot be installed here. Under CI the test fails instead."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def pytest_configure() -> None:
    signal.signal(signal.SIGTERM, interrupt)
    # The default port is one for all tests that run `up`; a test of HTTP sets an address of its own.
    os.environ.setdefault("STOCKWIRE_HTTP", "off")


class Scheduler(LoadFileScheduling):
    """Gives each worker of pytest-xdist whole files, and one worker all files that need a browser."""

    def _split_scope(self, nodeid: str) -> str:
        return BROWSER if nodeid.startswith(BROWSER) else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduler | None:
    return Scheduler(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Keep Python's collector of garbage from looking through all tests and modules again and again.

    It took two fifths of the collection of the tests, and a tenth of the tests without input and output.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def interrupt(*_: object) -> None:
    """Interrupt the run like Ctrl-C, so that fixtures end the processes of a test. A second SIGTERM ends pytest."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise KeyboardInterrupt


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """End by SIGTERM after an interrupted run: a thread of the interrupted test could keep pytest from its end."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the shared servers once all workers of pytest-xdist have ended."""
    if not hasattr(session.config, "workerinput"):
        end_shared_rabbitmq(run_folder(session.config))
        end_shared_postgresql(run_folder(session.config))


@pytest.fixture(scope="session", autouse=True)
def no_busy_thread() -> Iterator[None]:
    """Fail if a thread that a test left behind is busy: it takes the time of all tests after it in this process."""
    yield
    left = set(threading.enumerate()) - {threading.main_thread(), threading.current_thread()}
    seconds = {thread.name: cpu_time(thread) for thread in left}
    assert {name for name, taken in seconds.items() if taken > BUSY} == set(), seconds


def cpu_time(thread: threading.Thread) -> float:
    """Return the seconds of processor time that a thread has taken, or 0 if it has ended or the system has no /proc."""
    try:
        fields = Path(f"/proc/self/task/{thread.native_id}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run_folder(config: pytest.Config) -> Path:
    """Return the folder for temporary files that all workers of this run share."""
    folder: Path = config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
    return folder.parent if hasattr(config, "workerinput") else folder


def run_owner(config: pytest.Config) -> int:
    """Return the process that the user started. A worker of pytest-xdist is a child of it."""
    return os.getppid() if hasattr(config, "workerinput") else os.getpid()


@pytest.fixture(scope="session")
def rabbitmq(pytestconfig: pytest.Config) -> PrivateBroker:
    """The node that all tests share. A test may change only its own virtual host."""
    try:
        return shared_rabbitmq(run_folder(pytestconfig), run_owner(pytestconfig))
    except ProcessError as error:
        unavailable(str(error))
        raise


@pytest.fixture
def broker(rabbitmq: PrivateBroker) -> Iterator[BrokerAddress]:
    """The address of an empty virtual host."""
    with virtual_host(rabbitmq) as address:
        yield address


@pytest.fixture(scope="module")
def module_broker(rabbitmq: PrivateBroker) -> Iterator[BrokerAddress]:
    """The address of a virtual host for all tests of a file."""
    with virtual_host(rabbitmq) as address:
        yield address


@pytest.fixture(scope="session")
def postgresql_server_url(pytestconfig: pytest.Config) -> str:
    """The URL of a database that all tests of this process share, in a server that the whole run shares."""
    need_postgresql()
    url = make_url(shared_postgresql(run_folder(pytestconfig), run_owner(pytestconfig)))
    database = execute_create(url.render_as_string(hide_password=False), "DATABASE")
    return url.set(database=database).render_as_string(hide_password=False)


def need_postgresql() -> None:
    """Skip the test if PostgreSQL is not installed."""
    if not is_installed():
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql): nothing to test against")


@contextmanager
def started_postgresql() -> Iterator[PostgresqlServer]:
    """Yield a server of one's own; skip the test if PostgreSQL is not installed."""
    need_postgresql()
    with postgresql_server() as server:
        yield server


@pytest.fixture
def postgresql(postgresql_server_url: str) -> str:
    """The URL of an empty schema, which takes a hundredth of the time of a database to create."""
    return url_of_schema(postgresql_server_url)


@pytest.fixture
def postgresql_database(postgresql_server_url: str) -> str:
    """The URL of an empty database, for a test that closes it to others."""
    database = execute_create(postgresql_server_url, "DATABASE")
    return make_url(postgresql_server_url).set(database=database).render_as_string(hide_password=False)


def url_of_schema(server_url: str) -> str:
    return f"{server_url}?options=-csearch_path%3D{execute_create(server_url, 'SCHEMA')}"


def execute_create(server_url: str, kind: str, options: str = "") -> str:
    """Create a schema or a database with a name of its own, and return the name."""
    name = f"test_{uuid.uuid4().hex[:8]}"
    engine = create_engine(server_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE {kind} {name} {options}")
    engine.dispose()
    return name


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    def create_postgresql() -> str:
        return url_of_schema(request.getfixturevalue("postgresql_server_url"))

    made = Databases(tmp_path_factory.mktemp("databases"), create_postgresql)
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def history_url(request: pytest.FixtureRequest, databases: Databases, tmp_path: Path) -> URL:
    """The URL of an empty history: SQLite in one run of the test, PostgreSQL in the other."""
    if request.param == "sqlite":
        return databases.on_sqlite(HISTORY, tmp_path / "history.db")
    return databases.on_postgresql(HISTORY)


@pytest.fixture(params=["sqlite", "postgresql"])
def alerts_url(request: pytest.FixtureRequest, databases: Databases, tmp_path: Path) -> URL:
    """The URL of an empty alerts database: SQLite in one run of the test, PostgreSQL in the other."""
    if request.param == "sqlite":
        return databases.on_sqlite(ALERTS, tmp_path / "alerts.db")
    return databases.on_postgresql(ALERTS)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    """The URL of an empty database: SQLite in one run of the test, PostgreSQL in the other."""
    if request.param == "sqlite":
        return make_url(f"sqlite:///{tmp_path / 'test.db'}")
    return make_url(request.getfixturevalue("postgresql"))


@pytest.fixture(scope="session")
def all_real_prices() -> Path:
    """415,080 real prices: columns date, symbol, open, high, low, close, volume, dividend, split."""
    path = ROOT.parent / "shared" / "market-data" / "sp500-daily-2018-2021.csv.gz"
    if not path.exists():
        unavailable(f"the real prices are not at {path}")
    return path


@pytest.fixture(scope="session")
def real_prices(all_real_prices: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """5,040 of the real prices: 20 symbols, among them AAPL, BRK.B and TSLA, through the 252 trading days of 2019."""
    return year_of(all_real_prices, "2019", tmp_path_factory)


@pytest.fixture(scope="session")
def real_prices_of_splits(all_real_prices: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """5,060 of the real prices: 20 symbols through 2020, in which AAPL and TSLA were split, and most fell in March."""
    return year_of(all_real_prices, "2020", tmp_path_factory)


def year_of(all_real_prices: Path, year: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prices") / f"prices-{year}.csv.gz"
    with gzip.open(all_real_prices, "rt") as everything, gzip.open(path, "wt") as sample:
        sample.write(next(everything))
        sample.writelines(line for line in everything if line[:4] == year and line.split(",", 2)[1] in SYMBOLS)
    return path
