"""Running a command line so that no traceback reaches a user."""

import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import NoReturn

import typer

from shared.errors import StockwireError


def run(app: typer.Typer, name: str) -> NoReturn:
    """Run the command that the arguments name, and exit: 0 done, 1 with one line of why not, 2 wrong usage."""
    try:
        app(prog_name=name)
    except StockwireError as error:
        sys.exit(f"stockwire: {' '.join(str(error).split())}")
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # noqa: BLE001 - a defect of ours; whoever runs us gets a line, not a traceback
        where = _keep_traceback()
        sys.exit(f"stockwire: defect: {type(error).__name__}: {error} (traceback in {where}; please report it)")
    finally:
        # Ctrl-C on the way out ends us at once, where Python would show a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(0)


def _keep_traceback() -> Path:
    with tempfile.NamedTemporaryFile("w", prefix="stockwire-", suffix=".traceback", delete=False) as file:
        traceback.print_exc(file=file)
    return Path(file.name)
