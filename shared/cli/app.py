"""Create typer apps, and run them so that no traceback reaches a user."""

import signal
import sys
import traceback
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from shared.cli.output import error_line
from shared.cli.plain_values import PlainValues
from shared.cli.streams import finish_output, prepare_streams
from shared.errors import StockwireError
from shared.file_errors import explain_file_error, has_advice

_OUR_PACKAGES = ("producer", "consumers", "shared", "infra", "benchmarks")


class CommandGroup(PlainValues, TyperGroup):
    """A group whose help shows the first paragraph of each command's help in full."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        rows = [(name, (command.help or "").split("\n\n")[0]) for name, command in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def new_app(description: str | None = None, cls: type[TyperGroup] = CommandGroup) -> typer.Typer:
    """Return an app without completion and with plain help: importing rich would take longer than most commands."""
    return typer.Typer(
        cls=cls,
        help=description,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )


def run(app: typer.Typer, name: str) -> NoReturn:
    """Run the command that the arguments name, and exit.

    The exit status is 0 for success, 1 for a failure (with one line on stderr) and 2 for wrong usage.
    """
    prepare_streams()
    try:
        _run_and_flush(app, name)
    except StockwireError as error:
        sys.exit(error_line(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader of the output, such as head, has enough.
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - a user gets one line for any error, not a traceback
        sys.exit(error_line(_describe_unexpected(error)))
    finally:
        # Ctrl-C during the exit ends the process at once; Python would print a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(0)


def _run_and_flush(app: typer.Typer, name: str) -> None:
    try:
        app(prog_name=name)
    finally:
        finish_output()


def _describe_unexpected(error: Exception) -> str:
    """Return what a user can do about an error that no part of Stockwire explains, and where its traceback is."""
    match error:
        case OSError():
            # A full disk, a missing permission, or a limit of the system.
            file = error.filename or "a file or a connection"
            details = "" if has_advice(error) else f" (traceback in {_keep_traceback()})"
            return f"{file} cannot be used: {explain_file_error(error)}{details}"
        case MemoryError():
            return "there is not enough memory for this command"
        case ModuleNotFoundError(name=str(module)) if module.partition(".")[0] not in _OUR_PACKAGES:
            return f"{module} is not installed: run .venv/bin/python -m pip install -r requirements.txt"
    return f"bug: {type(error).__name__}: {error} (traceback in {_keep_traceback()}; please report it)"


def _keep_traceback() -> str:
    """Write the traceback to a file, and return its name, or a few words if the disk is full."""
    import tempfile

    try:
        with tempfile.NamedTemporaryFile("w", prefix="stockwire-", suffix=".traceback", delete=False) as file:
            traceback.print_exc(file=file)
    except OSError as error:
        return f"no file: {error.strerror or error}"
    return file.name
