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
    with _open_history() as engine:
        save_splits(engine, found, source)
        _tell_alerts(engine, {split.symbol for split in found})


def remove_known_split(symbol: str, day: date) -> bool:
    """Remove a split from both databases. Return False if there is none. Raises StorageError."""
    with _open_history() as engine:
        is_removed = remove_split(engine, symbol, day)
        _tell_alerts(engine, [symbol])
        return is_removed


@contextmanager
def _open_history() -> Iterator[Engine]:
    with opened(load_settings().history_url.engine_url) as engine:
        create_schema(engine, SCHEMA)
        yield engine


def _tell_alerts(history: Engine, symbols: Collection[str]) -> None:
    known = load_splits(history, symbols)
    with open_alerts_database() as alerts:
        replace_known_splits(alerts, symbols, known)


splits = build_splits(store_splits, remove_known_split)
