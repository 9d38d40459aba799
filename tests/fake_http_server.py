"""An HTTP server on loopback for GET and POST whose answers a test chooses: valid, broken, slow, in pieces or none."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

RECORDED = Path(__file__).parent / "recorded"


@dataclass(frozen=True)
class Request:
    """A request from a client; header names are in lower case."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    """A response to send: `cut` bytes at the end are missing; `delay`, and `drip` between bytes, are in seconds."""

    body: bytes | str | Any = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0
    cut: int = 0
    drip: float = 0

    @property
    def content(self) -> bytes:
        if isinstance(self.body, bytes | str):
            return self.body.encode() if isinstance(self.body, str) else self.body
        return json.dumps(self.body).encode()


Script = Callable[[Request], Answer]


@dataclass
class FakeHttpServer:
    """A running server. `answer` may be replaced at any time; `requests` has all requests in order."""

    url: str
    answer: Script
    requests: list[Request] = field(default_factory=list)
    connections: int = 0


@contextmanager
def fake_http_server(answer: Script, port: int = 0) -> Iterator[FakeHttpServer]:
    """Run a server for one block, by default on a free port."""
    server = _Server(("127.0.0.1", port), _Handler)
    market = FakeHttpServer(f"http://127.0.0.1:{server.server_port}", answer)
    server.market = market
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield market
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def always(answer: Answer) -> Script:
    return lambda _request: answer


def one_after_the_other(*answers: Answer) -> Script:
    """Return each answer once, and the last one for all further requests."""
    left = list(answers)
    lock = threading.Lock()

    def answer(_request: Request) -> Answer:
        with lock:
            return left.pop(0) if len(left) > 1 else left[0]

    return answer


def recorded(provider: str, name: str) -> str:
    """Return the text of a recorded answer, tests/recorded/PROVIDER/NAME."""
    return (RECORDED / provider / name).read_text()


class _Server(ThreadingHTTPServer):
    # The end of a test must not wait for open connections.
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    market: FakeHttpServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.market.connections += 1

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body: bytes) -> None:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)), headers, body)
        self.server.market.requests.append(request)
        answer = self.server.market.answer(request)
        time.sleep(answer.delay)
        # A client that timed out has closed the connection.
        with suppress(BrokenPipeError, ConnectionResetError):
            self._send(answer)

    def _send(self, answer: Answer) -> None:
        content = answer.content
        self.send_response(answer.status)
        for name, value in {"Content-Length": str(len(content)), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        sent = content[: len(content) - answer.cut]
        if answer.drip:
            for byte in sent:
                self.wfile.write(bytes([byte]))
                time.sleep(answer.drip)
        else:
            self.wfile.write(sent)
        if answer.cut:
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass
