"""A fake market data provider on loopback: `python -m benchmarks.fake_provider_server` prints its URL.

The server answers like Alpha Vantage, with one symbol per call, after 100 ms.
"""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import ProcessError
from shared.settings import ROOT

# In seconds: how long a call takes.
DELAY = 0.1

_SYMBOL = re.compile(rb"[?&]symbol=([^& ]+)")


async def serve() -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0, backlog=256)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    async with server:
        await server.serve_forever()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the requests of one connection until the client closes the connection."""
    try:
        while request := await reader.readuntil(b"\r\n\r\n"):
            await asyncio.sleep(DELAY)
            symbol = _SYMBOL.search(request)
            body = _quote(symbol[1].decode() if symbol else "")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
            writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def _quote(symbol: str) -> bytes:
    quote = {
        "01. symbol": symbol,
        "02. open": "187.0000",
        "03. high": "188.2500",
        "04. low": "186.1000",
        "05. price": "187.4400",
        "06. volume": "31234567",
        "07. latest trading day": "2024-11-20",
        "08. previous close": "186.5000",
    }
    return json.dumps({"Global Quote": quote}).encode()


@contextmanager
def fake_provider_server() -> Iterator[str]:
    """Run a fake provider in a process of its own for one block, and yield its URL."""
    command = [sys.executable, "-m", "benchmarks.fake_provider_server"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().strip() if process.stdout else ""
            if not url:
                raise ProcessError("the fake provider of the benchmark did not start: run ./stockwire bench sync again")
            yield url
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(serve())
