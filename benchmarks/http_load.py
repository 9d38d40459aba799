"""Clients of the bench `api`: requests over kept connections, and many readers of one stream of events."""

import asyncio
import re
import time

_CONNECTIONS = 8


async def requests_per_second(port: int, path: str, seconds: float) -> tuple[float, bytes]:
    """Return how many answers came per second over some connections, and the body of one. Raises OSError."""
    until = time.monotonic() + seconds
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: application/json\r\n\r\n".encode()
    counts = await asyncio.gather(*(_ask(port, request, until) for _ in range(_CONNECTIONS)))
    return sum(count for count, _ in counts) / seconds, counts[0][1]


async def _ask(port: int, request: bytes, until: float) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    count, body = 0, b""
    while time.monotonic() < until:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise OSError(f"an answer is {head[:40]!r}")
        body = await _body(reader, head)
        count += 1
    writer.close()
    return count, body


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    if length := re.search(rb"(?i)content-length: (\d+)", head):
        return await reader.readexactly(int(length[1]))
    parts = []
    while size := int(await reader.readline(), 16):
        parts.append(await reader.readexactly(size))
        await reader.readline()
    await reader.readline()
    return b"".join(parts)


async def read_events(port: int, readers: int, events: int, opened: asyncio.Event) -> list[dict[str, float]]:
    """Return the moment at which each reader got each event, by its id. `opened` is set when all are connected."""
    left = readers

    async def read() -> dict[str, float]:
        nonlocal left
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        await reader.readuntil(b"id: ")
        left -= 1
        if not left:
            opened.set()
        found: dict[str, float] = {}
        while len(found) < events:
            line = await reader.readline()
            if not line:
                break
            if line.startswith(b"data: ") and (match := re.search(rb'"id":"([^"]+)"', line)):
                found[match[1].decode()] = time.monotonic()
        writer.close()
        return found

    return await asyncio.gather(*(read() for _ in range(readers)))
