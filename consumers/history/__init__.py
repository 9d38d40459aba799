"""The history consumer: stores every price once. For Python programs: `from consumers.history import open_history`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from consumers.history.python_api import History, open_history
    from consumers.history.queries.rows import CandleRow, PriceRow, SymbolRow

__all__ = ["CandleRow", "History", "PriceRow", "SymbolRow", "open_history"]


def __getattr__(name: str) -> Any:
    """Import the Python API on its first use: commands that do not need it start faster."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from consumers.history import python_api

    return getattr(python_api, name)
