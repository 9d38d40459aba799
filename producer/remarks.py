"""Remarks on published prices: what is odd about them, for people. Each is logged once, as long as it lasts."""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Column, Connection, Table, Text, and_, bindparam, delete, insert, select

from producer.state import metadata, open_state, open_state_for_reading
from shared.database.engine import writing
from shared.errors import StorageError
from shared.events import StockData
from shared.prices import is_real
from shared.symbols import join_names
from shared.times import format_instant

log = logging.getLogger(__name__)

# No exchange closes for so long: the longest holidays, of the Lunar New Year in China, take up to 12 days.
STALE_AFTER = timedelta(days=14)
_AGES = (
    (timedelta(days=730), "years old"),
    (timedelta(days=365), "more than a year old"),
    (timedelta(days=60), "months old"),
    (STALE_AFTER, "weeks old"),
)

# Remarks by symbol.
Remarks = Mapping[str, Sequence[str]]

logged_remarks = Table(
    "logged_remarks",
    metadata,
    Column("symbol", Text, primary_key=True),
    Column("remark", Text, primary_key=True),
    sqlite_with_rowid=False,
)


def stale_remark(event: StockData) -> str | None:
    """Return a remark on a price that was weeks, months or years old when it was observed, or None.

    A replayed price is meant to be old.
    """
    age = event.observed_at - event.as_of
    if age < STALE_AFTER or not is_real(event.provider):
        return None
    words = next(words for least, words in _AGES if age >= least)
    return f"the price is {words}, of {format_instant(event.as_of)}: the symbol may be halted or delisted"


def format_remarks(remarks: Remarks) -> list[str]:
    """Return a line for each remark, with the symbols that it is about."""
    symbols: dict[str, list[str]] = {}
    for symbol, found in remarks.items():
        for remark in found:
            symbols.setdefault(remark, []).append(symbol)
    return [f"{join_names(names)}: {remark}" for remark, names in symbols.items()]


def log_remarks(folder: Path, published: Collection[str], remarks: Remarks) -> list[str]:
    """Log the remarks on the published symbols that were not logged before, and return their lines.

    The remarks that were logged are kept in the state in `folder`, and forgotten when they are over.
    """
    try:
        remarks = _replace_remarks(folder, published, remarks)
    except StorageError as error:
        log.warning("these remarks may have been logged before: %s", error)
    lines = format_remarks(remarks)
    for line in lines:
        log.warning("%s", line)
    return lines


def _replace_remarks(folder: Path, published: Collection[str], remarks: Remarks) -> Remarks:
    """Store the remarks on the published symbols, and return those that were not stored."""
    current = {(symbol, remark) for symbol, found in remarks.items() for remark in found}
    with open_state_for_reading(folder, logged_remarks) as connection:
        stored = set() if connection is None else {pair for pair in _load(connection) if pair[0] in published}
    if stored != current:
        with open_state(folder) as engine, writing(engine) as connection:
            _delete(connection, stored - current)
            _insert(connection, current - stored)
    return {symbol: [each for each in found if (symbol, each) not in stored] for symbol, found in remarks.items()}


def _load(connection: Connection) -> Iterable[tuple[str, str]]:
    return [(row.symbol, row.remark) for row in connection.execute(select(logged_remarks))]


def _delete(connection: Connection, pairs: Collection[tuple[str, str]]) -> None:
    table = logged_remarks.c
    statement = delete(logged_remarks).where(and_(table.symbol == bindparam("of"), table.remark == bindparam("text")))
    if pairs:
        connection.execute(statement, [{"of": symbol, "text": remark} for symbol, remark in pairs])


def _insert(connection: Connection, pairs: Collection[tuple[str, str]]) -> None:
    if pairs:
        statement = insert(logged_remarks).prefix_with("OR IGNORE")
        connection.execute(statement, [{"symbol": symbol, "remark": remark} for symbol, remark in pairs])
