"""A user without permission gets one line before anything runs."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from consumers.history.tables import SCHEMA
from shared.database.engine import opened
from shared.database.schema import create_schema
from shared.database.url import DatabaseUrl
from shared.messaging.address import BrokerAddress
from tests.processes import PYTHON

# Root may write everywhere, but not without these capabilities.
_CAPABILITIES = "-dac_override,-dac_read_search"
AS_USER = ["setpriv", f"--bounding-set={_CAPABILITIES}", f"--inh-caps={_CAPABILITIES}"] if os.geteuid() == 0 else []

Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.skipif(bool(AS_USER) and shutil.which("setpriv") is None, reason="root may write everywhere")


@pytest.fixture
def run(checkout: Path) -> Run:
    def ran(*words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        environment = {"STOCKWIRE_AMQP_URL": "amqp://127.0.0.1:1/"}
        environment |= {f"STOCKWIRE_{name}": value for name, value in settings.items()}
        return subprocess.run(
            [*AS_USER, checkout / "stockwire", *words],
            env={**os.environ, **PYTHON, **environment},
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return ran


@pytest.mark.parametrize("file_mode", [0o444, 0o644], ids=["file", "folder"])
def test_a_database_that_cannot_be_written_ends_a_consumer_before_it_consumes(
    run: Run, tmp_path: Path, broker: BrokerAddress, file_mode: int
) -> None:
    folder = tmp_path / "data"
    url = f"sqlite:///{folder}/history.db"
    with opened(DatabaseUrl(url).engine_url) as engine:
        create_schema(engine, SCHEMA)
    (folder / "history.db").chmod(file_mode)
    folder.chmod(0o555)
    done = run("consume", "history", HISTORY_URL=url, AMQP_URL=broker.url())
    folder.chmod(0o755)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line == f"stockwire: database {url} is read-only: give this user write permission on file and folder"


@pytest.mark.parametrize("words", [("up",), ("sync",), ("down",), ("watch", "add", "IBM")])
def test_a_folder_var_that_cannot_be_written_is_an_error_of_one_line(
    run: Run, checkout: Path, words: tuple[str, ...]
) -> None:
    var = checkout / "var"
    var.mkdir()
    var.chmod(0o555)
    done = run(*words)
    var.chmod(0o755)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("stockwire: ")
    assert str(var).replace("%", "%25") in line or str(var) in line
    assert "permission" in line
    assert "traceback" not in line
