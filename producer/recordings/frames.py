"""The headers of two and three lines that yfinance writes: names of fields in one line, and tickers in the other.

Price,Close,High,Low,Open,Volume          Ticker,AAPL,AAPL,MSFT,MSFT
Ticker,XYZ,XYZ,XYZ,XYZ,XYZ                Price,Open,Close,Open,Close
Date,,,,,                                 Date,,,,
"""

from collections.abc import Sequence
from dataclasses import replace

from producer.recordings.header import NAMES, Columns, HeaderError, find_columns, normalize
from producer.recordings.options import ReadingOptions
from shared.errors import InvalidEvent
from shared.symbols import read_symbol

_PRICES = {*NAMES["price"], *NAMES["open"], *NAMES["high"], *NAMES["low"], *NAMES["volume"]}
_TIMES = {*NAMES["time"], *NAMES["date"]}
# Names of the first column in the line of fields and in the line of tickers.
_LABELS = {"", "price", "ticker", "symbol", "attributes"}


def find_frames(lines: Sequence[Sequence[str]], options: ReadingOptions) -> tuple[list[Columns], int] | None:
    """Return the columns of each ticker and the number of header lines, or None if the header has one line only."""
    if len(lines) < 2:
        return None
    fields, tickers = (lines[0], lines[1]) if is_fields(lines[0]) else (lines[1], lines[0])
    if len(fields) != len(tickers) or not is_fields(fields) or not _names_tickers(fields, tickers):
        return None
    third = lines[2] if len(lines) > 2 and normalize(lines[2][0]) in _TIMES and not any(lines[2][1:]) else None
    has_own_times = third is None and any(normalize(name) in _TIMES for name in fields)
    names = [fields[0] if has_own_times and normalize(fields[0]) in _TIMES else "", *fields[1:]]
    if not has_own_times:
        names[0] = "date"
    return _columns_by_ticker(names, tickers, options), 2 if third is None else 3


def is_fields(cells: Sequence[str]) -> bool:
    """Return True if all cells but the first are names of prices, and one at least is a price."""
    return len(cells) > 1 and any(normalize(cell) in NAMES["price"] for cell in cells[1:])


def _names_tickers(fields: Sequence[str], tickers: Sequence[str]) -> bool:
    """Return True if there is a ticker, and no number, wherever there is a price, and no other text."""
    if normalize(tickers[0]) not in _LABELS:
        return False
    # Numbers are tickers only if the line says so.
    is_labelled = normalize(tickers[0]) == "ticker"
    named = [ticker for field, ticker in zip(fields[1:], tickers[1:], strict=True) if normalize(field) in _PRICES]
    return bool(named) and all(_is_ticker(ticker, is_labelled) for ticker in named)


def _is_ticker(text: str, may_be_number: bool) -> bool:
    try:
        is_number = text.strip().replace(".", "").isdigit()
        return (may_be_number or not is_number) and bool(read_symbol(text))
    except InvalidEvent:
        return False


def _columns_by_ticker(names: Sequence[str], tickers: Sequence[str], options: ReadingOptions) -> list[Columns]:
    found = []
    wanted = dict.fromkeys(ticker.strip() for ticker in tickers[1:] if ticker.strip())
    if options.symbol is not None and len(wanted) > 1:
        raise HeaderError("names its own symbols in its second line: leave out --symbol, or select with --symbols")
    for ticker in wanted:
        cells = [
            name if own.strip() in ("", ticker) or not place else ""
            for place, (name, own) in enumerate(zip(names, tickers, strict=True))
        ]
        symbol = options.symbol or read_symbol(ticker)
        found.append(find_columns(cells, replace(options, symbol=symbol))._replace(width=len(names)))
    return found
