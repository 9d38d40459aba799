"""The rows of selected symbols, and the symbols that no row had."""

from collections.abc import Iterable
from functools import lru_cache

from producer.recordings.rows import MAX_VALUE
from shared.errors import InvalidEvent
from shared.symbols import read_symbol

_CACHE_SIZE = 1 << 13


class Selection:
    """Selects symbols by the text that a file has for them; `missing` are those that were never seen."""

    def __init__(self, symbols: Iterable[str]) -> None:
        self.symbols = frozenset(symbols)
        self._found: set[str] = set()
        self._remembered = lru_cache(_CACHE_SIZE)(self._selects)

    @property
    def missing(self) -> list[str]:
        return sorted(self.symbols - self._found)

    def selects(self, text: str) -> bool:
        """Return True if the text names a selected symbol."""
        return len(text) <= MAX_VALUE and self._remembered(text)

    def _selects(self, text: str) -> bool:
        try:
            symbol = read_symbol(text)
        except InvalidEvent:
            return False
        if symbol in self.symbols:
            self._found.add(symbol)
            return True
        return False
