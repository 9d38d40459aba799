"""The stored prices of a symbol that may be compared: the real ones, or without any the simulated and replayed ones."""

from datetime import datetime
from operator import attrgetter

from consumers.history.queries.series import Series, find_series
from shared.database.reader import Reader
from shared.prices import prefer_real
from shared.times import to_micros


def symbols_with_prices(reader: Reader) -> list[str]:
    """Return the names of all stored symbols, sorted."""
    return sorted(symbol for (symbol,) in reader.select("SELECT DISTINCT symbol FROM series"))


def comparable_series(reader: Reader, symbol: str, provider: str | None = None) -> list[Series]:
    """Return the series of candles and statistics: those of the provider, or else the real ones if there are any."""
    if provider is not None:
        return find_series(reader, symbol, [provider])
    return prefer_real(find_series(reader, symbol), attrgetter("provider"))


def comparable_providers(reader: Reader, symbol: str, since: datetime) -> list[str]:
    """Return the providers with a price of the symbol since a time: the real ones, or else all, sorted."""
    sql = """
        SELECT DISTINCT provider FROM series
        WHERE symbol = :symbol
          AND (EXISTS (SELECT 1 FROM quote WHERE quote.series_id = series.id AND quote.as_of >= :first)
               OR EXISTS (SELECT 1 FROM bar WHERE bar.series_id = series.id AND bar.as_of >= :first))
    """
    rows = reader.select(sql, {"symbol": symbol, "first": to_micros(since)})
    return prefer_real(sorted(provider for (provider,) in rows), str)
