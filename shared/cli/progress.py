"""A progress bar on stderr."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from shared.cli.escaping import escape
from shared.cli.output import print_lines

if TYPE_CHECKING:
    from rich.progress import Progress


class ProgressBar:
    """Lines of text on stderr, and no bar, because stderr is not a terminal."""

    def set(self, done: float) -> None:
        """Show the amount of work that is done."""

    def advance(self, more: float) -> None:
        """Add to the amount of work that is done."""

    def print_line(self, line: str) -> None:
        print_lines(line, error=True)

    def close(self) -> None:
        """Remove the bar."""


class TerminalProgressBar(ProgressBar):
    """The bar of one task, with the lines printed above it."""

    def __init__(self, progress: "Progress", description: str, total: float) -> None:
        self._progress = progress
        self._task = progress.add_task(description, total=total)

    def set(self, done: float) -> None:
        self._progress.update(self._task, completed=done)

    def advance(self, more: float) -> None:
        self._progress.advance(self._task, more)

    def print_line(self, line: str) -> None:
        self._progress.console.print(escape(line), markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        self._progress.stop()


@contextmanager
def progress_bar(description: str, total: float) -> Iterator[ProgressBar]:
    """Show a bar for the block if stderr is a terminal. `total` is the amount of work, in any unit."""
    if not sys.stderr.isatty():
        yield ProgressBar()
        return
    # A library that only a terminal needs.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn(description), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield TerminalProgressBar(progress, description, total)
