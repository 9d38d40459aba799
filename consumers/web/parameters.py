"""Parameters that several routes share, and their values."""

from datetime import datetime
from difflib import get_close_matches
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Query, Request

from consumers.history.queries.comparable import symbols_with_prices
from consumers.history.queries.series import find_series
from consumers.web.answers import Answers
from consumers.web.problems import Problem, invalid_parameter, parse_parameter
from consumers.web.services import Services
from shared.database.reader import Reader
from shared.settings import Settings, parse_symbols
from shared.symbols import read_symbol
from shared.times import parse_moment, utc_now

DEFAULT_LIMIT = 1000
MAX_LIMIT = 10_000

_MOST_SYMBOLS = 1000
_MOST_NEAREST = 3


class Sort(StrEnum):
    ASC = "asc"
    DESC = "desc"


class Adjustment(StrEnum):
    RAW = "raw"
    SPLIT = "split"


_TIME = "A date or time (without an offset it is UTC), or an age such as 24h or 7d."
SymbolPath = Annotated[str, Path(description="As the exchange writes it; it may contain a slash.", examples=["AAPL"])]
Start = Annotated[str | None, Query(description=f"First time, inclusive. {_TIME}", examples=["2026-11-20"])]
End = Annotated[str | None, Query(description=f"Last time, exclusive. {_TIME}")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Rows on a page.")]
Sorting = Annotated[Sort, Query(description="By time: oldest first, or newest first.")]
PageToken = Annotated[str | None, Query(description="The next_page_token of the page before.")]
Symbols = Annotated[
    str | None, Query(description="Comma-separated; without it, all stored symbols.", examples=["AAPL,MSFT"])
]
Provider = Annotated[str | None, Query(description="Only prices of this provider.")]
AdjustmentQuery = Annotated[Adjustment, Query(description="`split` divides prices before a split by its ratio.")]


def answers_of(request: Request) -> Answers:
    answers: Answers = request.app.state.answers
    return answers


def settings_of(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def services_of(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


def parse_symbol(text: str) -> str:
    """Return the symbol of a path. Raises Problem."""
    return parse_parameter("symbol", read_symbol, text)


def parse_symbol_list(text: str | None) -> tuple[str, ...]:
    """Return the symbols of a list, or none for all symbols. Raises Problem."""
    found = parse_parameter("symbols", parse_symbols, text) if text else ()
    if len(found) > _MOST_SYMBOLS:
        raise invalid_parameter("symbols", f"names {len(found)} symbols: use at most {_MOST_SYMBOLS}")
    return found


def parse_range(start: str | None, end: str | None) -> tuple[datetime | None, datetime | None]:
    """Return both ends of a range of time. Raises Problem."""
    now = utc_now()
    first, last = (
        None if text is None else parse_parameter(name, lambda given: parse_moment(given, now), text)
        for name, text in (("start", start), ("end", end))
    )
    return first, last


def require_prices(reader: Reader, symbol: str) -> None:
    """Raise Problem, with the names of symbols that are like it, if there is no price of the symbol."""
    if not find_series(reader, symbol):
        raise unknown_symbol(symbol, symbols_with_prices(reader))


def unknown_symbol(symbol: str, known: list[str]) -> Problem:
    nearest = get_close_matches(symbol, known, _MOST_NEAREST, cutoff=0.4)
    hint = f": did you mean {' or '.join(nearest)}?" if nearest else ""
    return Problem(HTTPStatus.NOT_FOUND, f"there are no stored prices of {symbol}{hint}", nearest=nearest)
