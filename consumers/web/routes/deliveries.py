"""Deliveries of alerts to targets: GET /v1/deliveries, POST /v1/deliveries/redeliver."""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, StrictStr, StringConstraints
from starlette.responses import Response

from consumers.alerts.databases import open_alerts_database, open_stored_alerts
from consumers.alerts.notifications.deliveries import UNDELIVERED, State
from consumers.alerts.notifications.delivery_log import DeliveryPage, read_deliveries
from consumers.alerts.notifications.target_store import find_target
from consumers.alerts.notifications.targets import check_target_name
from consumers.alerts.notifications.undelivered import count_deliveries, redeliver
from consumers.web.answers import json_response
from consumers.web.page_tokens import MAX_ID, decode_page_token, encode_page_token
from consumers.web.parameters import PageToken, settings_of
from consumers.web.problems import Problem, invalid_body, invalid_parameter, parse_parameter
from shared.database.engine import reading, writing
from shared.errors import SettingsError
from shared.times import parse_moment, utc_now

DEFAULT_DELIVERIES = 100
MAX_DELIVERIES = 1000
MAX_IDS = 1000

_KIND = "deliveries"
EventId = Annotated[str, StringConstraints(strict=True, pattern=r"^[!-~]{1,200}$")]

Value = TypeVar("Value")

router = APIRouter()


class Redelivery(BaseModel):
    """The given-up deliveries to send again: those of some events, to one target, since a time; without any, all."""

    model_config = ConfigDict(extra="forbid")

    ids: list[EventId] = Field([], max_length=MAX_IDS, description="Ids of events, as the list has them.")
    target: StrictStr | None = Field(None, description="The name of a target.")
    since: StrictStr | None = Field(None, description="Only alerts raised at this time or later, such as 24h.")


@router.get("/v1/deliveries", summary="Deliveries of alerts to targets, newest first")
def deliveries(
    request: Request,
    state: Annotated[
        str | None, Query(description="pending, sent, failed or expired; several are separated by commas.")
    ] = None,
    target: Annotated[str | None, Query(description="Only deliveries to the target of this name.")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_DELIVERIES)] = DEFAULT_DELIVERIES,
    page_token: PageToken = None,
) -> Response:
    states = () if state is None else parse_parameter("state", _parse_states, state)
    name = None if target is None else parse_parameter("target", check_target_name, target)
    before = _decode(page_token)
    page, counts = DeliveryPage([], None), {"pending": 0, "given_up": 0}
    with open_stored_alerts(settings_of(request).alerts_url) as engine:
        if engine is not None:
            with reading(engine) as connection:
                page = read_deliveries(connection, states=states, target=name, before=before, limit=limit)
                found = count_deliveries(connection)
            counts = {
                "pending": sum(count for (_, each), count in found.items() if each == State.PENDING),
                "given_up": sum(count for (_, each), count in found.items() if each in UNDELIVERED),
            }
    token = None if page.next_before is None else encode_page_token(_KIND, [page.next_before])
    return json_response(request, {"deliveries": page.rows, "counts": counts, "next_page_token": token})


@router.post("/v1/deliveries/redeliver", summary="Send alerts again that were given up")
def send_again(request: Request, body: Redelivery) -> dict[str, int]:
    now = utc_now()
    since = None if body.since is None else _parse("#/since", lambda text: parse_moment(text, now), body.since)
    try:
        with open_alerts_database(settings_of(request).alerts_url) as engine, writing(engine) as connection:
            if body.target is not None:
                find_target(connection, _parse("#/target", check_target_name, body.target))
            return {"count": redeliver(connection, now, event_ids=body.ids, target=body.target, since=since)}
    except SettingsError as error:
        # The target is disabled or does not exist.
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error


def _parse_states(text: str) -> Sequence[State]:
    """Return the states that the text names. Raises ValueError."""
    try:
        return [State(word.strip()) for word in text.split(",")]
    except ValueError as error:
        raise ValueError(f"{text[:40]!r} is not a state: use pending, sent, failed or expired") from error


def _parse(pointer: str, parse: Callable[[str], Value], text: str) -> Value:
    try:
        return parse(text)
    except ValueError as error:
        raise invalid_body(pointer, error) from error


def _decode(token: str | None) -> int | None:
    if token is None:
        return None
    [before] = decode_page_token(_KIND, token, (int,))
    if not 0 <= before <= MAX_ID:
        raise invalid_parameter("page_token", "is of no delivery")
    return int(before)
