"""The server: uvicorn on a socket of ours, stopped by a request to stop."""

import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import uvicorn
from fastapi import FastAPI

from shared.signals import Stop

# Seconds in which requests may end after a request to stop.
_GRACE = 3
_MOST_FILES = 65_536


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
    server = _Server(config, app)
    raise_file_limit()
    with stop.calling(server.request_exit):
        server.run(sockets=[listening])


def raise_file_limit() -> None:
    """Allow this process as many open files, and so connections, as the system lets it have, up to _MOST_FILES."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(_MOST_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class _Server(uvicorn.Server):
    """A server that leaves the signals to its caller."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    def request_exit(self) -> None:
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams of live events first, for which uvicorn would wait in vain."""
        self._app.state.live.ring.close()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        with nullcontext():
            yield
