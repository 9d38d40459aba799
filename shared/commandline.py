"""Running a command line so that no traceback reaches a user."""

import os
import sys
from typing import NoReturn

import typer

from shared.errors import StockwireError


def run(app: typer.Typer, name: str) -> NoReturn:
    """Run the command that the arguments name, and exit: 0 done, 1 with one line of why not, 2 wrong usage."""
    try:
        app(prog_name=name)
    except StockwireError as error:
        sys.exit(f"stockwire: {' '.join(str(error).split())}")
    except BrokenPipeError:
        # Whoever read our output has seen enough; what is still buffered must not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0)
