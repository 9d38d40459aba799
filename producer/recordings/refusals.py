"""Refused rows of a file, grouped by the reason without its values."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from producer.recordings.rows import InvalidRow

# Rows of one kind that are shown one by one, and kinds that are told apart.
SHOWN_PER_KIND = 10
_MAX_KINDS = 100
_OTHER = "other reasons"


@dataclass
class Refusal:
    """The first row of one kind, and the number of its rows."""

    first: InvalidRow
    count: int = 0


@dataclass
class Refusals:
    """Counts refused rows by kind; the memory does not grow with the number of rows."""

    count: int = field(default=0, init=False)
    _kinds: dict[str, Refusal] = field(default_factory=dict, init=False)

    def add(self, row: InvalidRow) -> bool:
        """Count the row; return True if it is one of the first of its kind."""
        self.count += 1
        kind = row.kind()
        if kind not in self._kinds and len(self._kinds) >= _MAX_KINDS:
            kind = _OTHER
        refusal = self._kinds.setdefault(kind, Refusal(row))
        refusal.count += 1
        return refusal.count <= SHOWN_PER_KIND

    def kinds(self) -> Iterator[Refusal]:
        """Yield the kinds in the order of their first rows."""
        yield from self._kinds.values()

    def hidden(self) -> int:
        """Return the number of rows that `add` did not count among the first of their kind."""
        return sum(max(0, each.count - SHOWN_PER_KIND) for each in self._kinds.values())
