"""pytest is killed: the node that its tests share, and the processes of the test that runs, end with it."""

import signal
from pathlib import Path

import pytest

from shared.settings import ROOT
from tests.faults.assertions import assert_eventually
from tests.faults.markers import fault
from tests.processes import processes_in, running

A_TEST = """
import threading
import time
from tests.processes import running

def test_that_takes_long(broker, tmp_path):
    with running("sleep", "600", environment={}, folder=tmp_path):
        # It must not keep pytest from its end.
        threading.Thread(target=time.sleep, args=(600,)).start()
        print("started", flush=True)
        time.sleep(600)
"""
STARTUP = 120.0


@fault
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_a_killed_run_of_pytest(tmp_path: Path, number: signal.Signals) -> None:
    test = tmp_path / "test_long.py"
    test.write_text(A_TEST)
    options = ["-s", "-p", "tests.conftest", "-c", str(ROOT / "pyproject.toml"), "--basetemp", str(tmp_path / "base")]
    with running("python", "-m", "pytest", *options, str(test), environment={}) as tests:
        tests.wait_for("started", STARTUP)
        commands = " ".join(command for _, command in processes_in(tmp_path))
        assert [word for word in ("beam", "epmd", "sleep 600") if word not in commands] == []
        assert tests.stop(number) == -number
        assert_eventually(lambda: not processes_in(tmp_path), "the end of all processes of its tests")
