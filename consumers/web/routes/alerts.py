"""GET /v1/alerts: the alerts that were raised."""

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from consumers.alerts.alert_pages import AlertFilter, alerts_page
from consumers.alerts.databases import open_stored_alerts
from consumers.alerts.rules.parser import parse_symbol as parse_rule_symbol
from consumers.web.answers import csv_response, json_response, wants_csv
from consumers.web.page_tokens import MAX_ID, decode_page_token, encode_page_token
from consumers.web.parameters import (
    DEFAULT_LIMIT,
    End,
    Limit,
    PageToken,
    Sort,
    Sorting,
    Start,
    parse_range,
    settings_of,
)
from consumers.web.problems import invalid_parameter, parse_parameter
from shared.database.engine import reading
from shared.database.url import DatabaseUrl
from shared.events import ALERT_FIELDS, PriceAlert

_ROWS_PER_PART = 1000

router = APIRouter()


@router.get("/v1/alerts", summary="The alerts that were raised, by the time at which they were triggered")
def alerts(
    request: Request,
    symbol: Annotated[str | None, Query(description="Only alerts of this symbol.")] = None,
    rule_id: Annotated[int | None, Query(ge=1, le=MAX_ID, description="Only alerts of this rule.")] = None,
    start: Start = None,
    end: End = None,
    limit: Limit | None = None,
    sort: Sorting = Sort.ASC,
    page_token: PageToken = None,
) -> Response:
    name = None if symbol is None else parse_parameter("symbol", parse_rule_symbol, symbol)
    wanted = AlertFilter(*parse_range(start, end), name, rule_id)
    after = None if page_token is None else _decode(sort, page_token)
    url = settings_of(request).alerts_url
    if wants_csv(request):
        rows = (alert.fields() for alert in _read(url, wanted, after, limit, sort))
        return csv_response(ALERT_FIELDS, rows)
    size = limit or DEFAULT_LIMIT
    found = _page(url, wanted, after, size + 1, sort)
    ids = list(found)
    token = encode_page_token(_kind(sort), [ids[size - 1]]) if len(ids) > size else None
    listed: list[dict[str, Any]] = [found[each].fields() for each in ids[:size]]
    return json_response(request, {"alerts": listed, "next_page_token": token})


def _kind(sort: Sort) -> str:
    return f"alerts-{sort}"


def _decode(sort: Sort, token: str) -> int:
    [after] = decode_page_token(_kind(sort), token, (int,))
    if not 0 <= after <= MAX_ID:
        raise invalid_parameter("page_token", "is of no alert")
    return int(after)


def _page(url: DatabaseUrl, wanted: AlertFilter, after: int | None, size: int, sort: Sort) -> dict[int, PriceAlert]:
    with open_stored_alerts(url) as engine:
        if engine is None:
            return {}
        with reading(engine) as connection:
            return alerts_page(connection, wanted, after, size, descending=sort is Sort.DESC)


def _read(
    url: DatabaseUrl, wanted: AlertFilter, after: int | None, limit: int | None, sort: Sort
) -> Iterator[PriceAlert]:
    """Yield alerts in parts, so that a slow reader keeps no transaction open."""
    left = limit
    while left is None or left > 0:
        size = _ROWS_PER_PART if left is None else min(left, _ROWS_PER_PART)
        found = _page(url, wanted, after, size, sort)
        yield from found.values()
        if len(found) < size:
            return
        after = list(found)[-1]
        left = None if left is None else left - size
