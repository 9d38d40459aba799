"""Errors as problem documents. Source: https://www.rfc-editor.org/rfc/rfc9457"""

import json
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeVar, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from shared.errors import BrokerError, StockwireError, StorageError

MEDIA_TYPE = "application/problem+json"

_VALUE_ERROR = "Value error, "

Value = TypeVar("Value")


class Problem(Exception):
    """An answer other than the one that was asked for. `members` are further members of the document."""

    def __init__(
        self, status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers
        self.members = members


def problem_response(
    status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None, **members: Any
) -> Response:
    """Return the response of a problem document."""
    document = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail, **members}
    # ASCII, because text from a request may hold half a surrogate pair, which UTF-8 does not have.
    body = json.dumps(document).encode("ascii")
    return Response(body, status.value, {"Cache-Control": "no-store", **(headers or {})}, MEDIA_TYPE)


def invalid_parameter(name: str, detail: object) -> Problem:
    """Return the problem of a parameter of the path or the query."""
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, f"{name}: {detail}", errors=[{"parameter": name, "detail": str(detail)}]
    )


def invalid_body(pointer: str, detail: object) -> Problem:
    """Return the problem of a member of the body; `pointer` is a JSON pointer (RFC 6901)."""
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(detail), errors=[{"pointer": pointer, "detail": str(detail)}])


def parse_parameter(name: str, parse: Callable[[str], Value], text: str) -> Value:
    """Return what the text of a parameter means. Raises Problem for a ValueError."""
    try:
        return parse(text)
    except ValueError as error:
        raise invalid_parameter(name, error) from error


def describe_problems(app: FastAPI) -> None:
    """Let every error of the application be a problem document."""
    app.add_exception_handler(Problem, _of_problem)
    app.add_exception_handler(HTTPException, _of_http_exception)
    app.add_exception_handler(RequestValidationError, _of_invalid_request)
    app.add_exception_handler(StockwireError, _of_stockwire_error)
    app.add_exception_handler(Exception, _of_bug)


async def _of_problem(_request: Request, found: Exception) -> Response:
    error = cast(Problem, found)
    return problem_response(error.status, error.detail, error.headers, **error.members)


async def _of_http_exception(request: Request, found: Exception) -> Response:
    error = cast(HTTPException, found)
    status = HTTPStatus(error.status_code)
    details = {
        HTTPStatus.NOT_FOUND: f"there is nothing at {request.url.path}",
        HTTPStatus.METHOD_NOT_ALLOWED: f"{request.method} is not possible at {request.url.path}",
    }
    return problem_response(status, details.get(status, error.detail), error.headers)


async def _of_invalid_request(_request: Request, found: Exception) -> Response:
    error = cast(RequestValidationError, found)
    errors = [_invalid_part(each) for each in error.errors()]
    first = errors[0]
    name = first.get("parameter") or first.get("pointer") or "the request"
    return problem_response(HTTPStatus.UNPROCESSABLE_ENTITY, f"{name}: {first['detail']}", errors=errors)


def _invalid_part(error: Mapping[str, Any]) -> dict[str, str]:
    detail = str(error["msg"]).removeprefix(_VALUE_ERROR)
    place: Sequence[Any] = error["loc"]
    if place[0] != "body":
        return {"parameter": str(place[-1]), "detail": detail}
    # Pydantic puts the place of a syntax error, a number, where a member has its name.
    names = place[1:] if error["type"] != "json_invalid" else ()
    return {"pointer": "#" + "".join(f"/{name}" for name in names), "detail": detail}


async def _of_stockwire_error(_request: Request, error: Exception) -> Response:
    is_temporary = isinstance(error, StorageError | BrokerError)
    status = HTTPStatus.SERVICE_UNAVAILABLE if is_temporary else HTTPStatus.UNPROCESSABLE_ENTITY
    return problem_response(status, str(error))


async def _of_bug(_request: Request, _error: Exception) -> Response:
    return problem_response(
        HTTPStatus.INTERNAL_SERVER_ERROR, "this is a bug: the log of the server has its traceback; please report it"
    )
