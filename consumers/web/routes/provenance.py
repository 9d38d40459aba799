"""GET /v1/provenance/{symbol}: the events that stored prices came from."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from consumers.history.queries.prices import read_prices
from consumers.history.queries.rows import Order, PriceRow
from consumers.web.parameters import (
    DEFAULT_LIMIT,
    End,
    Limit,
    Sort,
    Sorting,
    Start,
    SymbolPath,
    answers_of,
    parse_range,
    parse_symbol,
    require_prices,
)
from shared.database.reader import Reader
from shared.events import stock_data_id

router = APIRouter()


@router.get("/v1/provenance/{symbol:path}", summary="Stored prices of a symbol with the ids of their events")
async def provenance(
    request: Request,
    symbol: SymbolPath,
    start: Start = None,
    end: End = None,
    limit: Limit = DEFAULT_LIMIT,
    sort: Sorting = Sort.DESC,
) -> Response:
    name = parse_symbol(symbol)
    first, last = parse_range(start, end)

    def find(reader: Reader) -> dict[str, Any]:
        require_prices(reader, name)
        found = read_prices(reader, name, first, last, limit, order=Order(sort.value))
        return {"prices": [_with_id(row) for row in found]}

    return await answers_of(request).json(request, find)


def _with_id(row: PriceRow) -> dict[str, Any]:
    return {"id": stock_data_id(row.provider, row.symbol, row.as_of, row.interval), **row.fields()}
