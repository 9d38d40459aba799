"""The columns of rows that are printed or exported, with the kind of their values."""

from collections.abc import Mapping, Sequence
from enum import Enum


class Kind(Enum):
    """The kind of a column's values. Prices and times are text in rows: decimals, and ISO 8601 in UTC."""

    TEXT = "text"
    PRICE = "price"
    INTEGER = "integer"
    NUMBER = "number"
    TIME = "time"
    BOOLEAN = "boolean"


# The kind of each column by name, in the order of the columns.
Columns = Mapping[str, Kind]


def numbers(columns: Columns) -> Sequence[str]:
    """Return the columns that hold numbers: a table aligns them right, and a spreadsheet calculates with them."""
    return [name for name, kind in columns.items() if kind in (Kind.PRICE, Kind.INTEGER, Kind.NUMBER)]
