"""Rows as CSV in chunks of bytes."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from consumers.history.queries.rows import NUMBERS
from shared.cli.escaping import escape_cell

_CHUNK = 64 * 1024  # characters
_NUMBERS = frozenset((*NUMBERS, "previous_price", "threshold", "rule_id", "last_price", "fired", "id"))


def csv_chunks(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """Yield a header and the rows. Text that a spreadsheet would run as a formula gets a leading quote."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    texts = [column not in _NUMBERS for column in columns]
    for row in rows:
        values = [row[column] for column in columns]
        writer.writerow(
            escape_cell(value) if is_text and isinstance(value, str) else value
            for value, is_text in zip(values, texts, strict=True)
        )
        if buffer.tell() >= _CHUNK:
            yield _taken(buffer)
    yield _taken(buffer)


def _taken(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()
