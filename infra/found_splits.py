"""Splits that are found while prices are published, stored in both databases."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from shared.cli.output import print_lines
from shared.errors import StorageError
from shared.splits import Split


@contextmanager
def collecting_splits() -> Iterator[Callable[[Sequence[Split], str], None]]:
    """Yield a function that stores splits with their source, and each split only once.

    The databases are opened with the first split. Prices are worth more than splits: an error is printed, and raised
    when the block ends.
    """
    stored: set[Split] = set()
    errors: list[StorageError] = []
    stores: list[Callable[[Sequence[Split], str], None]] = []

    def store(found: Sequence[Split], source: str) -> None:
        new = [split for split in found if split not in stored]
        if not new or errors:
            return
        try:
            if not stores:
                stores.append(_open_store(closing))
            stores[0](new, source)
            stored.update(new)
        except StorageError as error:
            print_lines(f"splits are not stored: {error}", error=True)
            errors.append(error)

    with ExitStack() as closing:
        yield store
    if errors:
        raise StorageError(f"splits are not stored, run the same command again: {errors[0]}") from errors[0]


def _open_store(closing: ExitStack) -> Callable[[Sequence[Split], str], None]:
    # Most files and ranges of time have no splits, and need neither database.
    from infra.splits import open_databases, store_in

    history, alerts = closing.enter_context(open_databases())
    return lambda splits, source: store_in(history, alerts, splits, source)
