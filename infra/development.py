"""`stockwire test` and `stockwire bench`: run pytest and the benchmarks."""

import os
import sys
from typing import Annotated

import typer

from infra.up.install import find_server, install_server
from shared.cli.output import error_line, print_lines
from shared.errors import ProcessError
from shared.settings import ROOT

# Most tests wait for a process most of the time. The tests of a file run in one worker, because they share fixtures.
# Files start in the order of their names: pytest-xdist would start files with many tests first, which are quick ones.
_IN_PARALLEL = ["-n", "5", "--dist", "loadfile", "--no-loadscope-reorder"]
_FAULTS = ["tests/faults", "-m", "not control and not slow", "-n", "3", "--dist", "load"]


def test(
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[PYTEST ARGUMENT]...", help="Arguments for pytest.")
    ] = None,
    faults: Annotated[
        bool, typer.Option("--faults", help="Run the tests that kill processes and fill disks (some minutes).")
    ] = False,
) -> None:
    """Install what the tests need, and run all of them, or pytest with your arguments."""
    if find_server() is None:
        try:
            install_server()
        except ProcessError as error:
            print_lines(error_line(f"{error}; tests that need RabbitMQ are skipped"), error=True)
    os.chdir(ROOT)
    # Without bytecode, every process that a test starts would compile every module again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    words = [*_FAULTS, *(arguments or [])] if faults else arguments or _IN_PARALLEL
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *words])  # noqa: S606


def bench(
    arguments: Annotated[list[str] | None, typer.Argument(metavar="[NAME] [--json]", help="The benchmark.")] = None,
) -> None:
    """Measure Stockwire beside other programs. Without a name, list the benchmarks."""
    os.chdir(ROOT)
    os.execv(sys.executable, [sys.executable, "-m", "benchmarks", *(arguments or [])])  # noqa: S606
