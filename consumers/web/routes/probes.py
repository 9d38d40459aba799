"""GET /livez and /readyz, for those who watch the process. They tell nothing about the data, and need no token."""

from fastapi import APIRouter, Request

from consumers.alerts.databases import open_stored_alerts
from consumers.web.parameters import answers_of, services_of, settings_of

router = APIRouter()


@router.get("/livez", summary="The process answers")
async def livez() -> dict[str, str]:
    return {"status": "alive"}


@router.get("/readyz", summary="Both databases can be read, and RabbitMQ answers")
def readyz(request: Request) -> dict[str, str]:
    with answers_of(request).history.reading(), open_stored_alerts(settings_of(request).alerts_url):
        services_of(request).require_broker()
        return {"status": "ready"}
