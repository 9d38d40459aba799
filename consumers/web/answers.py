"""Answers to reads of the history: bytes that are kept while the database stays the same, with ETags."""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from itertools import chain
from typing import Any, NamedTuple

import msgspec
from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from consumers.history.queries.rows import CandleRow, PriceRow, SymbolRow
from consumers.web.csv_rows import csv_chunks
from consumers.web.history_database import HistoryDatabase, Version
from shared.database.reader import Reader

JSON = "application/json"
CSV = "text/csv"

_VARY = "Accept, Authorization"

# Bytes.
_MOST_KEPT = 32 * 2**20
_MOST_KEPT_EACH = 4 * 2**20

_AGE = re.compile(r"\s*\d+[smhd]\s*", re.ASCII)


HistoryRow = PriceRow | CandleRow | SymbolRow


class _Answer(NamedTuple):
    version: Version
    body: bytes
    etag: str


class Answers:
    """Answers requests about the history."""

    def __init__(self, history: HistoryDatabase) -> None:
        self.history = history
        self._kept: OrderedDict[str, _Answer] = OrderedDict()
        self._kept_bytes = 0

    async def json(self, request: Request, find: Callable[[Reader], Any]) -> Response:
        """Return what `find` returns as JSON. It runs in a thread, unless the answer is kept."""
        key = f"{request.url.path}?{request.url.query}"
        version = self.history.version() if _is_lasting(request) else None
        kept = self._kept.get(key)
        if kept is not None and kept.version == version:
            return conditional(request, kept.body, kept.etag)
        body = await run_in_threadpool(self._encode, find)
        etag = etag_of(body)
        if version is not None:
            self._keep(key, _Answer(version, body, etag))
        return conditional(request, body, etag)

    async def csv(self, columns: Sequence[str], find: Callable[[Reader], Iterable[HistoryRow]]) -> Response:
        """Return the rows that `find` yields as CSV, which is read and sent in parts.

        The first part is read before the answer begins, so that an error is still an answer of its own.
        """

        def chunks() -> Iterator[bytes]:
            with self.history.reading() as reader:
                yield from csv_chunks(columns, (row.fields() for row in find(reader)))

        parts = chunks()
        first = await run_in_threadpool(next, parts)
        return _streamed(chain([first], parts))

    def _encode(self, find: Callable[[Reader], Any]) -> bytes:
        with self.history.reading() as reader:
            return msgspec.json.encode(find(reader))

    def _keep(self, key: str, answer: _Answer) -> None:
        if old := self._kept.pop(key, None):
            self._kept_bytes -= len(old.body)
        if len(answer.body) > _MOST_KEPT_EACH:
            return
        self._kept[key] = answer
        self._kept_bytes += len(answer.body)
        while self._kept_bytes > _MOST_KEPT:
            _, oldest = self._kept.popitem(last=False)
            self._kept_bytes -= len(oldest.body)


def json_response(
    request: Request, content: Any, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> Response:
    """Return content as JSON, or 304 if the request is a read of what the caller has already."""
    body = msgspec.json.encode(content)
    if status is HTTPStatus.OK and request.method == "GET":
        return conditional(request, body, etag_of(body))
    return Response(body, status.value, dict(headers or {}), JSON)


def csv_response(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Response:
    """Return rows as CSV, which is sent in parts."""
    parts = csv_chunks(columns, rows)
    return _streamed(chain([next(parts)], parts))


def _streamed(parts: Iterable[bytes]) -> Response:
    return StreamingResponse(parts, headers={"Vary": _VARY}, media_type=CSV)


def conditional(request: Request, body: bytes, etag: str, media_type: str = JSON) -> Response:
    """Return the body, or 304 without one if the caller has the same body already."""
    headers = {"ETag": etag, "Vary": _VARY}
    if _matches(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media_type)


def etag_of(body: bytes) -> str:
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def wants_csv(request: Request) -> bool:
    """Return True if the caller prefers CSV: `Accept` names it before JSON."""
    accepted = [part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "").split(",")]
    return next((each == CSV for each in accepted if each in (CSV, JSON)), False)


def _matches(if_none_match: str, etag: str) -> bool:
    given = [each.strip().removeprefix("W/") for each in if_none_match.split(",")]
    return etag in given or "*" in given


def _is_lasting(request: Request) -> bool:
    """Return False if the answer depends on the clock, because a time is given as an age."""
    return not any(_AGE.fullmatch(request.query_params.get(name, "")) for name in ("start", "end"))
