"""A deadline for a whole HTTP call: name lookup, connection, TLS, every byte of the answer, retries and redirects.

The timeouts of `requests` bound each wait for the next bytes, so a server that sends one byte per second never meets
them. On these connections each wait gets at most the time that the call has left.
"""

import io
import queue
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http.client import HTTPResponse
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NameResolutionError

# Bytes that are sent at a time: the record size of TLS.
_PIECE = 2**14


class Deadline:
    """A moment after which a call waits for nothing more."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def remaining(self) -> float:
        """The seconds that are left, not less than 0."""
        return max(0.0, self._end - time.monotonic())

    def shorten(self, seconds: float) -> None:
        """Let the call end within this time from now on, unless it would end sooner."""
        self._end = min(self._end, time.monotonic() + seconds)

    def limit(self, timeout: float) -> float:
        """Return the timeout in seconds, or the remaining time if that is less. Raises TimeoutError after the end."""
        remaining = self.remaining
        if not remaining:
            raise TimeoutError(f"the call took longer than {self.seconds:g} s")
        return min(timeout, remaining)


# A connection of the pool serves one call after the other, each of them in one thread.
_deadline: ContextVar[Deadline] = ContextVar("deadline")


@contextmanager
def call_deadline(seconds: float) -> Iterator[Deadline]:
    """Let all requests of this thread through a DeadlineAdapter end within `seconds`, until the end of the block."""
    deadline = Deadline(seconds)
    token = _deadline.set(deadline)
    try:
        yield deadline
    finally:
        _deadline.reset(token)


class DeadlineAdapter(HTTPAdapter):
    """An adapter of `requests` whose connections keep to the deadline of the thread's `call_deadline`."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _use_deadlines(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        _use_deadlines(manager)
        return manager


def _use_deadlines(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}


class _Reader(io.RawIOBase):
    """Reads what a server sends. Raises TimeoutError at the deadline."""

    def __init__(self, connection: socket.socket, raw: io.RawIOBase) -> None:
        self._socket = connection
        self._raw = raw
        self._deadline = _deadline.get()
        self._timeout = connection.gettimeout() or self._deadline.seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._socket.settimeout(self._deadline.limit(self._timeout))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    """Reads the status, headers, body and trailers of an answer through a _Reader."""

    def __init__(self, connection: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(connection, *args, **kwargs)
        # Nothing is read yet, so the first reader has no bytes that would be lost.
        self.fp = io.BufferedReader(_Reader(connection, self.fp.detach()))


class _Connection(HTTPConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        """Connect to the first address of the host that answers; the deadline includes the lookup of the name."""
        deadline, name, timeout = _deadline.get(), self._dns_host, self.timeout or _deadline.get().seconds
        error: HTTPError | None = None
        try:
            for address in self._look_up(name, deadline):
                self._dns_host, self.timeout = address, deadline.limit(timeout)
                try:
                    connection = super()._new_conn()
                except HTTPError as failure:
                    error = failure
                else:
                    return _limited(connection, deadline, timeout)
        finally:
            self._dns_host, self.timeout = name, timeout
        raise error or TimeoutError(f"no address of {name} answered")

    def send(self, data: Any) -> None:
        """Send a part of the request, in pieces that each wait at most until the deadline."""
        if self.sock is None:
            self.connect()
        for start in range(0, len(data), _PIECE):
            self.sock.settimeout(_deadline.get().limit(self.timeout or _deadline.get().seconds))
            super().send(data[start : start + _PIECE])

    def _look_up(self, name: str, deadline: Deadline) -> list[str]:
        """Return the addresses of a host.

        A lookup cannot be interrupted, so it runs in a thread, which a lookup that takes too long leaves behind.
        """
        results: queue.SimpleQueue[list[Any] | OSError | UnicodeError] = queue.SimpleQueue()

        def run() -> None:
            try:
                results.put(socket.getaddrinfo(name.strip("[]"), self.port, type=socket.SOCK_STREAM))
            except (OSError, UnicodeError) as error:
                results.put(error)

        threading.Thread(target=run, name="name lookup", daemon=True).start()
        try:
            found = results.get(timeout=deadline.limit(deadline.seconds))
        except queue.Empty:
            raise TimeoutError(f"the lookup of {name} took too long") from None
        if isinstance(found, socket.gaierror):
            raise NameResolutionError(name, self, found)
        if isinstance(found, Exception):
            raise found
        return list(dict.fromkeys(each[4][0] for each in found))


def _limited(connection: socket.socket, deadline: Deadline, timeout: float) -> socket.socket:
    """Return a new connection with its timeout, by which Python bounds a whole TLS handshake."""
    try:
        connection.settimeout(deadline.limit(timeout))
    except TimeoutError:
        connection.close()
        raise
    return connection


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection
