"""How far a command has come, as a bar for whoever watches."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


class ProgressBar:
    """The bar of one task, and the lines that are said above it."""

    def __init__(self, progress: Progress, what: str, total: float) -> None:
        self._progress = progress
        self._task = progress.add_task(what, total=total)

    def set(self, done: float) -> None:
        self._progress.update(self._task, completed=done)

    def advance(self, more: float) -> None:
        self._progress.advance(self._task, more)

    def say(self, line: str) -> None:
        self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def end(self) -> None:
        """Take the bar away."""
        self._progress.stop()


@contextmanager
def progress_bar(what: str, total: float) -> Iterator[ProgressBar]:
    """A bar on stderr, where that is a terminal; `total` is what there is to do, in any unit."""
    console = Console(stderr=True)
    columns = (TextColumn(what), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield ProgressBar(progress, what, total)
