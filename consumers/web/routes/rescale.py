"""Rules that are held after a jump of the price: GET /v1/rescale, POST /v1/rescale/{symbol}."""

from decimal import Decimal
from fractions import Fraction
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr
from starlette.responses import Response

from consumers.alerts.databases import open_alerts_database, open_stored_alerts
from consumers.alerts.held_symbols import read_held_symbols
from consumers.alerts.rules.changes import rescale
from consumers.web.answers import json_response
from consumers.web.parameters import SymbolPath, parse_symbol, settings_of
from consumers.web.problems import Problem, invalid_body
from shared.database.engine import reading
from shared.errors import SettingsError
from shared.split_ratios import parse_split_ratio

router = APIRouter()


class Rescale(BaseModel):
    """Either the ratio of a split, or `as_is`, which keeps thresholds and prices because it was none."""

    model_config = ConfigDict(extra="forbid")

    ratio: StrictStr | None = Field(None, examples=["4:1"], description="4:1 if one share became four.")
    as_is: StrictBool = False


@router.get("/v1/rescale", summary="The symbols whose rules are held, because a jump may be a split")
def held(request: Request) -> Response:
    found: list[dict[str, Any]] = []
    with open_stored_alerts(settings_of(request).alerts_url) as engine:
        if engine is not None:
            with reading(engine) as connection:
                found = read_held_symbols(connection)
    return json_response(request, {"held": found})


@router.post("/v1/rescale/{symbol:path}", summary="Divide thresholds and prices by a split's ratio, and release rules")
def release(request: Request, symbol: SymbolPath, body: Rescale) -> dict[str, str | int | None]:
    name = parse_symbol(symbol)
    ratio = _parse(body)
    divisor = None if ratio is None else Decimal(ratio.numerator) / Decimal(ratio.denominator)
    try:
        with open_alerts_database(settings_of(request).alerts_url) as engine:
            count = rescale(engine, name, divisor)
    except SettingsError as error:
        # The rules are not held.
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error
    return {
        "symbol": name,
        "ratio": None if ratio is None else f"{ratio.numerator}:{ratio.denominator}",
        "rules": count,
    }


def _parse(body: Rescale) -> Fraction | None:
    """Return the ratio, or None to keep everything as it is. Raises Problem."""
    if body.as_is == (body.ratio is not None):
        raise invalid_body("#/ratio", 'give either a ratio such as "4:1", or "as_is": true')
    try:
        return None if body.ratio is None else parse_split_ratio(body.ratio)
    except ValueError as error:
        raise invalid_body("#/ratio", error) from error
