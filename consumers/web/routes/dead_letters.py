"""Dead letters: GET /v1/dead and /v1/dead/{queue}, POST /v1/dead/{queue}/requeue and /v1/dead/{queue}/drop."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, TypeVar

from fastapi import APIRouter, Path, Query, Request

from consumers.web.dead_letters import DeadLetters, DeadQueue, DroppedLetters, RequeuedLetters
from consumers.web.parameters import services_of
from consumers.web.problems import Problem
from shared.errors import SettingsError

DEFAULT_LETTERS = 20
MAX_LETTERS = 100

QueuePath = Annotated[
    str,
    Path(description="A consumer's name or its queue; it may contain a slash.", examples=["history"], max_length=255),
]

T = TypeVar("T")

router = APIRouter()


@dataclass(frozen=True)
class DeadQueues:
    queues: list[DeadQueue]


@router.get("/v1/dead", summary="The number of dead letters of each built-in consumer that has run")
def queues(request: Request) -> DeadQueues:
    return DeadQueues(services_of(request).count_dead())


@router.get("/v1/dead/{queue:path}", summary="Dead letters of a queue with their reasons, oldest first")
def letters(
    request: Request,
    queue: QueuePath,
    limit: Annotated[int, Query(ge=1, le=MAX_LETTERS, description="Dead letters that are read.")] = DEFAULT_LETTERS,
) -> DeadLetters:
    return _found(lambda: services_of(request).read_dead(queue, limit))


@router.post("/v1/dead/{queue:path}/requeue", summary="Send the dead letters of a queue back to its consumer")
def requeue(request: Request, queue: QueuePath) -> RequeuedLetters:
    return _found(lambda: services_of(request).requeue_dead(queue))


@router.post("/v1/dead/{queue:path}/drop", summary="Delete the dead letters of a queue")
def drop(request: Request, queue: QueuePath) -> DroppedLetters:
    return _found(lambda: services_of(request).drop_dead(queue))


def _found(work: Callable[[], T]) -> T:
    """Return what the work returns. Raises Problem if there is no such queue."""
    try:
        return work()
    except SettingsError as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
