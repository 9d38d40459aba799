"""Rows as CSV in chunks of bytes."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from consumers.alerts.rules import listing
from consumers.history.queries import rows as history_rows
from shared.cli.formats import csv_rows

_CHUNK = 64 * 1024  # characters
_NUMBERS = frozenset((*history_rows.NUMBERS, *listing.NUMBERS, "previous_price", "threshold", "rule_id"))


def csv_chunks(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """Yield a header and the rows, as the command line writes them."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    for cells in csv_rows(columns, rows, _NUMBERS):
        writer.writerow(cells)
        if buffer.tell() >= _CHUNK:
            yield _taken(buffer)
    yield _taken(buffer)


def _taken(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()
