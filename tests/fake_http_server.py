"""A real HTTP server on loopback that answers as a test says: well, badly, slowly, in pieces or not at all."""

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
    """What a client asked for: header names in lower case."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What the server sends: `cut` bytes of the body never come; `drip` is in seconds, from one byte to the next."""

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
    """`answer` may be changed while it runs; `requests` is what has been asked so far, in order."""

    url: str
    answer: Script
    requests: list[Request] = field(default_factory=list)
    connections: int = 0


@contextmanager
def fake_http_server(answer: Script) -> Iterator[FakeHttpServer]:
    """A server for one block."""
    server = _Server(("127.0.0.1", 0), _Handler)
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
    """Each answer once, and the last one from then on."""
    left = list(answers)
    lock = threading.Lock()

    def answer(_request: Request) -> Answer:
        with lock:
            return left.pop(0) if len(left) > 1 else left[0]

    return answer


def recorded(provider: str, name: str) -> str:
    """The text of an answer as the provider sends it: tests/recorded/PROVIDER/NAME."""
    return (RECORDED / provider / name).read_text()


class _Server(ThreadingHTTPServer):
    # A test that is over does not wait for who still holds a connection.
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
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)), headers)
        self.server.market.requests.append(request)
        answer = self.server.market.answer(request)
        time.sleep(answer.delay)
        # Who waits no longer has hung up.
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
