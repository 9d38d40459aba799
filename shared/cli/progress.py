"""A progress bar on stderr."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from shared.cli.escaping import escape


class ProgressBar:
    """The bar of one task, with lines of text printed above it."""

    def __init__(self, progress: Progress, description: str, total: float) -> None:
        self._progress = progress
        self._task = progress.add_task(description, total=total)

    def set(self, done: float) -> None:
        self._progress.update(self._task, completed=done)

    def advance(self, more: float) -> None:
        self._progress.advance(self._task, more)

    def print_line(self, line: str) -> None:
        self._progress.console.print(escape(line), markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Remove the bar."""
        self._progress.stop()


@contextmanager
def progress_bar(description: str, total: float) -> Iterator[ProgressBar]:
    """Show a bar for the block if stderr is a terminal. `total` is the amount of work, in any unit."""
    console = Console(stderr=True)
    columns = (TextColumn(description), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield ProgressBar(progress, description, total)
