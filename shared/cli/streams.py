"""Standard output and standard error that may be closed, full, or unable to show every character."""

import io
import os
import sys

from shared.errors import OutputError

# Standard input, output and error, and how each is opened if it is closed. Nobody reads error messages then, but
# output that is lost has to be an error, which writing to a file that is open for reading gives.
_MODES = {0: os.O_RDONLY, 1: os.O_RDONLY, 2: os.O_WRONLY}


class StandardOutput(io.TextIOWrapper):
    """Standard output. Writing raises OutputError if it fails, and BrokenPipeError if nobody reads it any more."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _output_error(error) from error

    def flush(self) -> None:
        try:
            super().flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _output_error(error) from error


def prepare_streams() -> None:
    """Open what is closed, and let characters that the encoding lacks become escapes. Call once, first of all."""
    for number, mode in _MODES.items():
        # The lowest free number is used, so a database or a socket would get the number of a closed stream.
        if not _is_open(number):
            os.open(os.devnull, mode)
    file = open(1, "wb", closefd=False)  # noqa: SIM115 - open until the end
    encoding = sys.stdout.encoding if sys.stdout else None
    sys.stdout = StandardOutput(file, encoding, "backslashreplace", line_buffering=file.isatty())
    if sys.stderr is None:
        sys.stderr = open(2, "w", errors="backslashreplace", closefd=False)  # noqa: SIM115


def finish_output() -> None:
    """Write what is buffered. Raises OutputError and BrokenPipeError; nothing is left to be written then."""
    try:
        sys.stdout.flush()
    except (OutputError, BrokenPipeError):
        # Python flushes once more at its end, and would print a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise


def _output_error(error: OSError) -> OutputError:
    return OutputError(
        f"standard output cannot be written ({error.strerror}): redirect it to a file with room, or to /dev/null"
    )


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
