"""GET /v1/candles/{symbol}: candles of any length."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from consumers.history.queries.buckets import make_buckets
from consumers.history.queries.candles import read_candles
from consumers.history.queries.rows import CANDLE_COLUMNS, CandleRow, Order
from consumers.history.queries.splits import read_adjustments
from consumers.history.timeframes import Buckets, Timeframe
from consumers.web.answers import wants_csv
from consumers.web.page_tokens import decode_page_token, encode_page_token
from consumers.web.parameters import (
    DEFAULT_LIMIT,
    Adjustment,
    AdjustmentQuery,
    End,
    Limit,
    PageToken,
    Provider,
    Sort,
    Sorting,
    Start,
    SymbolPath,
    answers_of,
    parse_range,
    parse_symbol,
    require_prices,
    settings_of,
)
from consumers.web.problems import invalid_parameter, parse_parameter
from shared.database.reader import Reader
from shared.errors import SettingsError
from shared.times import parse_instant

router = APIRouter()

_MICROSECOND = timedelta(microseconds=1)


@router.get("/v1/candles/{symbol:path}", summary="Candles of a symbol")
async def candles(
    request: Request,
    symbol: SymbolPath,
    timeframe: Annotated[
        str, Query(description="1Min 5Min 1Hour 1Day 1Week 1Month, any other number of them, or 5m 1h 1d 1w 1mo.")
    ] = "1Day",
    start: Start = None,
    end: End = None,
    limit: Limit | None = None,
    sort: Sorting = Sort.ASC,
    tz: Annotated[
        str | None, Query(description="A time zone, whose calendar and clock the candles follow, or `market`.")
    ] = None,
    provider: Provider = None,
    adjustment: AdjustmentQuery = Adjustment.RAW,
    page_token: PageToken = None,
) -> Response:
    name = parse_symbol(symbol)
    market = settings_of(request).market
    buckets = _buckets(timeframe, tz, market)
    first, last = parse_range(start, end)
    if page_token is not None:
        reached = _decode(sort, page_token)
        first, last = (first, reached) if sort is Sort.DESC else (reached, last)

    def rows(reader: Reader, count: int | None) -> Iterator[CandleRow]:
        require_prices(reader, name)
        splits = read_adjustments(reader, [name], market) if adjustment is Adjustment.SPLIT else {}
        return read_candles(
            reader,
            name,
            buckets,
            first,
            last,
            provider=provider,
            adjustment=splits.get(name),
            limit=count,
            order=Order(sort.value),
        )

    def page(reader: Reader) -> dict[str, Any]:
        size = limit or DEFAULT_LIMIT
        found = [row.fields() for row in rows(reader, size + 1)]
        token = encode_page_token(_kind(sort), [found[size - 1]["start"]]) if len(found) > size else None
        return {"candles": found[:size], "next_page_token": token}

    if wants_csv(request):
        return await answers_of(request).csv(CANDLE_COLUMNS, lambda reader: rows(reader, limit))
    return await answers_of(request).json(request, page)


def _kind(sort: Sort) -> str:
    return f"candles-{sort}"


def _buckets(timeframe: str, zone: str | None, market: str | None) -> Buckets:
    length = parse_parameter("timeframe", Timeframe.parse, timeframe)
    try:
        return make_buckets(length, zone, market)
    except SettingsError as error:
        raise invalid_parameter("tz", "market needs the setting STOCKWIRE_MARKET") from error
    except ValueError as error:
        raise invalid_parameter("tz", error) from error


def _decode(sort: Sort, token: str) -> datetime:
    """Return the end of the next page if the newest come first, else its beginning. Raises Problem."""
    [text] = decode_page_token(_kind(sort), token, (str,))
    start = parse_parameter("page_token", parse_instant, str(text))
    try:
        return start if sort is Sort.DESC else start + _MICROSECOND
    except OverflowError as error:
        raise invalid_parameter("page_token", "is of no candle") from error
