"""Servers on loopback that send their answer in pieces, with a pause after each, and never end it."""

import itertools
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

START = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"

# The pieces of one answer; the first is sent at once.
Pieces = Iterable[bytes]


def bytes_of(*texts: bytes) -> Iterator[bytes]:
    """Return the bytes of these texts one by one, and those of the last one again and again."""
    assert texts[-1], "there is no first byte to wait for: use NOTHING"
    for text in itertools.chain(texts[:-1], itertools.repeat(texts[-1])):
        yield from (bytes([byte]) for byte in text)


# Each defeats a timeout between two pieces.
ANSWERS: dict[str, Callable[[], Pieces]] = {
    "status line": lambda: bytes_of(b"H"),
    "headers": lambda: itertools.chain([START], bytes_of(b"X-Drip: drop\r\n")),
    "one long header": lambda: itertools.chain([START, b"X-Drip: "], bytes_of(b"drop")),
    "100 Continue": lambda: itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": lambda: itertools.chain([START, b"Content-Length: 1000000\r\n\r\n"], bytes_of(b"1")),
    "body without a length": lambda: itertools.chain([START, b"\r\n"], bytes_of(b"1")),
    "chunks": lambda: itertools.chain([START, CHUNKED], itertools.repeat(b"1\r\n1\r\n")),
    "chunk size": lambda: itertools.chain([START, CHUNKED, b"1;x="], bytes_of(b"y")),
    "trailers": lambda: itertools.chain([START, CHUNKED, b"1\r\n1\r\n0\r\n"], itertools.repeat(b"X-Drip: drop\r\n")),
    "redirects": lambda: [b"", b"", b"", b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"],
}
# After a request, no byte until the pause is over.
NOTHING: Pieces = (b"",)
# A TLS record that announces 16 KiB of a handshake.
TLS_HANDSHAKE = bytes_of(b"\x16\x03\x03\x40\x00", b"\x02")


@dataclass
class DrippingServer:
    """A running server. `connections` counts them; `gone` is set when a client has closed its connection."""

    port: int
    connections: int = 0
    gone: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def dripping_server(
    pieces: Callable[[], Pieces], pause: float, *, after_request: bool = True, certificate: Path | None = None
) -> Iterator[DrippingServer]:
    """Run a server that sends these pieces to each client, with `pause` seconds between them.

    It waits for a request first, unless `after_request` is False. With a `certificate`, a PEM file with its key, it
    speaks TLS.
    """
    listener = socket.create_server(("127.0.0.1", 0), backlog=100)
    server = DrippingServer(listener.getsockname()[1])
    closed = threading.Event()
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)

    def serve(client: socket.socket) -> None:
        with client, suppress(OSError), context.wrap_socket(client, True) if context else client as peer:
            while True:
                if after_request and not peer.recv(65536):
                    break
                for piece in pieces():
                    peer.sendall(piece)
                    if closed.wait(pause):
                        return
        server.gone.set()

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server.connections += 1
                threading.Thread(target=serve, args=[client], daemon=True).start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield server
    finally:
        closed.set()
        # Closing alone would not wake the thread in accept().
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(5)
