"""Splits in both databases: the history divides prices by them, and the alerts rescale rules. The joint of the two.

Also the command `stockwire splits`.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import date

from sqlalchemy import Engine

from consumers.alerts.databases import open_alerts_database
from consumers.alerts.known_splits import replace_known_splits
from consumers.history.split_store import load_splits, remove_split, save_splits
from consumers.history.splits_command import build_splits
from consumers.history.tables import SCHEMA
from shared.database.engine import opened
from shared.database.schema import create_schema
from shared.settings import load_settings
from shared.splits import Split


def store_splits(found: Sequence[Split], source: str) -> None:
    """Store splits in the history, and let the alerts know all splits of their symbols. Raises StorageError."""
    with open_databases() as (history, alerts):
        store_in(history, alerts, found, source)


def remove_known_split(symbol: str, day: date) -> bool:
    """Remove a split from both databases. Return False if there is none. Raises StorageError."""
    with open_databases() as (history, alerts):
        is_removed = remove_split(history, symbol, day)
        _tell_alerts(history, alerts, [symbol])
        return is_removed


@contextmanager
def open_databases() -> Iterator[tuple[Engine, Engine]]:
    """Yield the databases of history and alerts, created or migrated if necessary. Raises StorageError."""
    with opened(load_settings().history_url.engine_url) as history, open_alerts_database() as alerts:
        create_schema(history, SCHEMA)
        yield history, alerts


def store_in(history: Engine, alerts: Engine, found: Sequence[Split], source: str) -> None:
    """Do the work of `store_splits` in open databases."""
    save_splits(history, found, source)
    _tell_alerts(history, alerts, {split.symbol for split in found})


def _tell_alerts(history: Engine, alerts: Engine, symbols: Collection[str]) -> None:
    replace_known_splits(alerts, symbols, load_splits(history, symbols))


splits = build_splits(store_splits, remove_known_split)
