"""The rows of a file of recorded prices, as a test has read them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from producer.recordings.rows import RecordedPrice

DAY = datetime(2020, 1, 2, tzinfo=UTC)


@dataclass
class Reading:
    """The rows of a file: prices by line, reasons by line, and the warnings."""

    rows: list[RecordedPrice] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def prices(self) -> list[str]:
        return [str(row.price) for row in self.rows]

    @property
    def times(self) -> list[str]:
        return [f"{row.as_of:%Y-%m-%dT%H:%M}" for row in self.rows]


Read = Callable[..., Reading]
