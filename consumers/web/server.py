"""The server: uvicorn on a socket of ours, stopped by a request to stop."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import uvicorn
from fastapi import FastAPI

from shared.signals import Stop

# Seconds in which requests may end after a request to stop.
_GRACE = 3


def serve(app: FastAPI, listening: socket.socket, stop: Stop) -> None:
    """Serve the application until `stop` is requested, and close the socket."""
    config = uvicorn.Config(
        app,
        http="httptools",
        loop="uvloop",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE,
    )
    server = _Server(config)
    with stop.calling(server.request_exit):
        server.run(sockets=[listening])


class _Server(uvicorn.Server):
    """A server that leaves the signals to its caller."""

    def request_exit(self) -> None:
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        with nullcontext():
            yield
