"""GET /v1/health: the parts of the pipeline, and its problems in words that say what to do."""

from fastapi import APIRouter, Request

from consumers.web.health import Health
from consumers.web.parameters import services_of

router = APIRouter()


@router.get("/v1/health", summary="The health of the pipeline, told within 2 s even if RabbitMQ is away")
def health(request: Request) -> Health:
    return services_of(request).health()
