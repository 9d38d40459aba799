"""A reader of server-sent events in a thread, over a socket of its own."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from tests.polling import eventually


class Received(NamedTuple):
    """An event as it arrived; `id` is empty if it has none."""

    kind: str
    id: str
    event: dict[str, Any]


class SseReader:
    """Reads `/v1/events` from the moment it is made. `last_id` is what a browser would send after a break.

    Until the server has said from where on it tells events, an event may be an earlier one.
    `receive_buffer` is the size in bytes of what the system takes from the server while the reader is paused.
    """

    def __init__(
        self,
        url: str,
        last_id: str | None = None,
        headers: Mapping[str, str] | None = None,
        receive_buffer: int | None = None,
    ) -> None:
        self.received: list[Received] = []
        self.last_id = last_id
        self.retry = 0
        self.head = b""
        self.comments = 0
        self.ended = False
        self._rest = b""
        self._reads = threading.Lock()
        parts = urlsplit(url)
        self._socket = socket.socket()
        self._socket.settimeout(30)
        if receive_buffer is not None:
            # The window of the connection is agreed on when it is opened.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.connect((parts.hostname, parts.port))
        lines = [f"GET /v1/events HTTP/1.1\r\nHost: {parts.netloc}"]
        lines += [f"Last-Event-ID: {last_id}"] if last_id is not None else []
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self._socket.sendall("\r\n".join([*lines, "\r\n"]).encode())
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        eventually(lambda: (self.head and self.last_id is not None) or self.ended)

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Read nothing more while the block runs, but what has arrived already."""
        with self._reads:
            yield

    def ids(self) -> list[str]:
        """Return the ids of the events themselves."""
        return [each.event["id"] for each in self.received]

    def _read(self) -> None:
        try:
            with self._socket.makefile("rb") as stream:
                for line in iter(stream.readline, b"\r\n"):
                    self.head += line
                if b"200" in self.head.split(b"\r\n")[0]:
                    while size := int(stream.readline() or b"0", 16):
                        with self._reads:
                            self._feed(stream.read(size))
                        stream.readline()
        except (OSError, ValueError):
            pass
        self._socket.close()
        self.ended = True

    def _feed(self, chunk: bytes) -> None:
        *blocks, self._rest = (self._rest + chunk).split(b"\n\n")
        for block in blocks:
            lines = [line.partition(": ")[::2] for line in block.decode().split("\n")]
            fields = {name: value for name, value in lines if name}
            self.comments += any(not name for name, _ in lines)
            self.last_id = fields.get("id", self.last_id)
            self.retry = int(fields.get("retry", self.retry))
            if "data" in fields:
                found = Received(fields.get("event", ""), fields.get("id", ""), msgspec.json.decode(fields["data"]))
                self.received.append(found)
