"""Queries for splits."""

from collections.abc import Sequence
from datetime import date

from consumers.history.splits import Split
from shared.database.reader import Reader

_SPLITS = "SELECT symbol, day, new_shares, old_shares FROM split"


def read_splits(reader: Reader, symbols: Sequence[str] = ()) -> list[Split]:
    """Return the splits of the symbols (default: all), sorted by symbol and date."""
    names = {f"symbol_{number}": symbol for number, symbol in enumerate(symbols)}
    sql = f"{_SPLITS} WHERE symbol IN ({', '.join(f':{name}' for name in names)})" if names else _SPLITS
    rows = reader.select(f"{sql} ORDER BY symbol, day", names)
    return [Split(symbol, date.fromisoformat(day), new, old) for symbol, day, new, old in rows]
