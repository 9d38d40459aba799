"""A command line ends without a traceback, in a process of its own."""

import signal
import subprocess
import sys

from shared.settings import ROOT

INTERRUPTED_TWICE = """
import atexit, os, signal
import typer
from shared.cli.app import run

app = typer.Typer()

@app.command()
def interrupt():
    os.kill(os.getpid(), signal.SIGINT)

atexit.register(interrupt)
run(app, "interrupt")
"""


def test_ctrl_c_during_the_exit_shows_no_traceback() -> None:
    command = [sys.executable, "-c", INTERRUPTED_TWICE]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert done.stderr == ""
    assert done.returncode in (130, -signal.SIGINT)
