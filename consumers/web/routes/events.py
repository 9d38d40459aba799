"""GET /v1/events: live prices and alerts as server-sent events."""

from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.sse import EventSourceResponse
from starlette.responses import Response

from consumers.web.live.feed import LiveFeed
from consumers.web.live.positions import Position
from consumers.web.live.readers import EventStream
from consumers.web.problems import parse_parameter

router = APIRouter()

# A proxy must not wait until it has more.
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


# Not with `response_class=EventSourceResponse`: FastAPI would encode each event again for each reader.
@router.get(
    "/v1/events",
    summary="Live prices and alerts as server-sent events",
    response_class=Response,
    responses={200: {"content": {EventSourceResponse.media_type: {"schema": {"type": "string"}}}}},
)
async def events(
    request: Request,
    last_event_id: Annotated[str | None, Header(description="The id of the last event that the reader has.")] = None,
) -> Response:
    after = parse_parameter("Last-Event-ID", Position.parse, last_event_id) if last_event_id else None
    live: LiveFeed = request.app.state.live
    return EventSourceResponse(EventStream(live.source, live.ring).parts(after), headers=_HEADERS)
