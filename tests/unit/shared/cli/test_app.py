"""A command line ends without a traceback, in a process of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

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


FAILING = """
import typer
from shared.cli.app import run

app = typer.Typer()

@app.command()
def fail():
    {statement}

run(app, "fail")
"""

UNEXPECTED = {
    "full disk": ("raise OSError(28, 'No space left on device', '/data/x')", "/data/x cannot be used: No space left"),
    "no file named": (
        "raise OSError(24, 'Too many open files')",
        "a file or a connection cannot be used: Too many open",
    ),
    "no memory": ("raise MemoryError", "there is not enough memory for this command"),
    "no library": (
        "import a_library_that_is_missing.part",
        "a_library_that_is_missing is not installed: run .venv/bin/python -m pip install -r requirements.txt",
    ),
    "ours": ("import shared.missing", "bug: ModuleNotFoundError: No module named 'shared.missing' (traceback in "),
    "bug": ("raise ValueError('one\\n two \\x1b[31m')", r"bug: ValueError: one two \x1b[31m (traceback in "),
}


@pytest.mark.parametrize(("statement", "message"), UNEXPECTED.values(), ids=UNEXPECTED)
def test_an_unexpected_error_is_one_line_and_only_a_bug_is_to_be_reported(
    tmp_path: Path, statement: str, message: str
) -> None:
    done = run_program(FAILING.format(statement=statement), TMPDIR=str(tmp_path))
    [line] = done.stderr.splitlines()
    assert line.startswith(f"stockwire: {message}")
    assert ("please report it" in line) == message.startswith("bug")
    assert done.returncode == 1
    for file in tmp_path.glob("stockwire-*.traceback"):
        assert file.read_text().startswith("Traceback")


def test_a_traceback_that_cannot_be_kept_is_still_one_line() -> None:
    tempfile = "import tempfile; tempfile.tempdir = '/nowhere'"
    done = run_program(FAILING.format(statement=f"{tempfile}; raise ValueError('x')"))
    [line] = done.stderr.splitlines()
    assert line == "stockwire: bug: ValueError: x (traceback in no file: No such file or directory; please report it)"


def run_program(program: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=20,
    )


def test_ctrl_c_during_the_exit_shows_no_traceback() -> None:
    done = run_program(INTERRUPTED_TWICE)
    assert done.stderr == ""
    assert done.returncode in (130, -signal.SIGINT)
