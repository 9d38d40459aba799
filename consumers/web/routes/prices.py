"""GET /v1/prices/{symbol}: stored prices."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from consumers.history.queries.prices import Position, read_prices
from consumers.history.queries.rows import PRICE_HISTORY_COLUMNS, Order, PriceRow
from consumers.history.queries.splits import read_adjustments
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
from consumers.web.problems import invalid_parameter
from shared.database.reader import Reader
from shared.times import to_micros

# Microseconds: databases have 64 bits for a time.
_MOST = to_micros(datetime.max.replace(tzinfo=UTC))

router = APIRouter()


@router.get("/v1/prices/{symbol:path}", summary="Stored prices of a symbol")
async def prices(
    request: Request,
    symbol: SymbolPath,
    start: Start = None,
    end: End = None,
    limit: Limit | None = None,
    sort: Sorting = Sort.ASC,
    provider: Provider = None,
    adjustment: AdjustmentQuery = Adjustment.RAW,
    page_token: PageToken = None,
) -> Response:
    name = parse_symbol(symbol)
    first, last = parse_range(start, end)
    after = _decode(sort, page_token)
    market = settings_of(request).market

    def rows(reader: Reader, count: int | None) -> Iterator[PriceRow]:
        require_prices(reader, name)
        splits = read_adjustments(reader, [name], market) if adjustment is Adjustment.SPLIT else {}
        return read_prices(
            reader,
            name,
            first,
            last,
            count,
            order=Order(sort.value),
            after=after,
            providers=None if provider is None else [provider],
            adjustment=splits.get(name),
        )

    def page(reader: Reader) -> dict[str, Any]:
        size = limit or DEFAULT_LIMIT
        found = list(rows(reader, size + 1))
        token = encode_page_token(_kind(sort), Position.of(found[size - 1])) if len(found) > size else None
        return {"prices": [row.fields() for row in found[:size]], "next_page_token": token}

    if wants_csv(request):
        return await answers_of(request).csv(PRICE_HISTORY_COLUMNS, lambda reader: rows(reader, limit))
    return await answers_of(request).json(request, page)


def _kind(sort: Sort) -> str:
    return f"prices-{sort}"


def _decode(sort: Sort, token: str | None) -> Position | None:
    if token is None:
        return None
    position = Position(*decode_page_token(_kind(sort), token, (int, str, str)))
    if abs(position.as_of) > _MOST:
        raise invalid_parameter("page_token", "is of no time")
    return position
