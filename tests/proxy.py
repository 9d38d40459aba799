"""A TCP proxy between a test and its brokers that can lose connections and data in several ways."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

from shared.messaging.address import BrokerAddress

_DEADLINE = 20.0
_READ = 1 << 18
# https://man7.org/linux/man-pages/man7/socket.7.html: what closes after this resets its connection.
_NO_LINGER = struct.pack("ii", 1, 0)


class Proxy:
    """A proxy that takes connections at `address` and passes them on to the first broker that answers.

    While `away` is set, the proxy ends each new connection at once. While `silent` is set, it drops all data. While
    `stuck` is set, it reads nothing, not even the end of a connection, and passes the data on afterwards, like a
    network that loses packets for a while. `stuck_out` and `stuck_in` do the same for one direction, to the broker and
    from the broker. `cuts` is the number of connections that the proxy ends as soon as it sees the bytes `cut_on`.
    """

    def __init__(self, *targets: BrokerAddress) -> None:
        self._targets = targets
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.address = replace(targets[0], port=self._listener.getsockname()[1])
        self.away = threading.Event()
        self.silent = threading.Event()
        self.stuck = threading.Event()
        self.stuck_out = threading.Event()
        self.stuck_in = threading.Event()
        self.cut_on = b""
        self.cuts = 0
        self.accepted = 0
        self._closed = threading.Event()
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.accepted += 1
                server = None if self.away.is_set() else self._connect()
                if server is None:
                    client.close()
                    continue
                self._sockets += [client, server]
                for ends in ((client, server, self.stuck_out), (server, client, self.stuck_in)):
                    self._threads.append(threading.Thread(target=self._pump, args=ends))
                    self._threads[-1].start()

    def _connect(self) -> socket.socket | None:
        for target in self._targets:
            with contextlib.suppress(OSError):
                return socket.create_connection((target.host, target.port), timeout=None)
        return None

    def _pump(self, source: socket.socket, sink: socket.socket, stuck: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_READ):
                self._hold(stuck)
                if self.cuts and self.cut_on in data:
                    self.cuts -= 1
                    break
                if not self.silent.is_set():
                    sink.sendall(data)
        self._hold(stuck)
        for each in (source, sink):
            _end(each)

    def _hold(self, stuck: threading.Event) -> None:
        while (stuck.is_set() or self.stuck.is_set()) and not self._closed.is_set():
            time.sleep(0.02)

    def answer(self, data: bytes) -> None:
        """Send these bytes to the latest client, as if they came from the broker."""
        self._sockets[-2].sendall(data)

    def cut(self) -> None:
        """End every connection in good order (FIN). New connections are accepted."""
        for each in list(self._sockets):
            _end(each)

    def reset(self) -> None:
        """Reset every connection (RST) and drop the data on its way. New connections are accepted."""
        for each in list(self._sockets):
            with contextlib.suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                # Wakes the thread that reads the socket, which then closes it.
                each.shutdown(socket.SHUT_RD)

    def close(self) -> None:
        self._closed.set()
        for each in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(_DEADLINE)
        for each in (self._listener, *self._sockets):
            each.close()


@contextlib.contextmanager
def proxy(*targets: BrokerAddress) -> Iterator[Proxy]:
    between = Proxy(*targets)
    try:
        yield between
    finally:
        between.close()


def _end(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        if each.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, len(_NO_LINGER)) == _NO_LINGER:
            each.close()
        else:
            each.shutdown(socket.SHUT_RDWR)
