"""Answers that a hostile server makes to use up memory or time: bombs, endless bodies, a million keys, deep nesting."""

import gzip
import itertools
import json
import subprocess
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from producer.providers.base import Quote
from producer.providers.http.apis.base import RequestAuth
from producer.providers.http.apis.finnhub import Finnhub
from producer.providers.http.client import MAX_BODY, Client, Timeouts
from producer.providers.http.provider import HttpProvider
from shared.accounts import Account
from shared.errors import InvalidResponse, ProviderUnavailable
from shared.settings import ROOT
from shared.times import utc_now
from tests.dripping_server import CHUNKED, START, dripping_server
from tests.fake_http_server import Answer, Script, always, fake_http_server

TIMEOUTS = Timeouts(connect=2, read=2, call=4, history=4)
MEMORY = 16 * 2**20
ZEROS = b"0" * 2**26


def deflate_in_layers(layers: int) -> Answer:
    body = ZEROS
    for _ in range(layers):
        body = gzip.compress(body)
    return Answer(body, headers={"Content-Encoding": ", ".join(["gzip"] * layers)})


BOMBS = {
    "gzip": lambda: deflate_in_layers(1),
    "gzip in gzip": lambda: deflate_in_layers(2),
    "ten layers of gzip": lambda: deflate_in_layers(10),
    "deflate": lambda: Answer(zlib.compress(ZEROS), headers={"Content-Encoding": "deflate"}),
}


@pytest.mark.parametrize("make_bomb", BOMBS.values(), ids=BOMBS.keys())
def test_a_compressed_bomb_is_refused_with_little_memory(make_bomb: Callable[[], Answer]) -> None:
    bomb = make_bomb()
    with (
        fake_http_server(always(bomb)) as server,
        Client(server.url, RequestAuth(), 1, TIMEOUTS) as client,
        bounded_memory(),
        pytest.raises(InvalidResponse, match=r"longer than 1 MiB|does not match its Content-Encoding"),
    ):
        client.get("/", {})


@pytest.mark.parametrize("length", [b"", b"Content-Length: 99999999999999\r\n"])
def test_an_endless_body_is_refused_with_little_memory(length: bytes) -> None:
    def endless() -> Iterator[bytes]:
        return itertools.chain([START + length + b"\r\n"], itertools.repeat(ZEROS[: 2**20]))

    check_endless(endless)


def test_endless_chunks_are_refused_with_little_memory() -> None:
    chunk = b"%x\r\n%s\r\n" % (2**20, ZEROS[: 2**20])
    check_endless(lambda: itertools.chain([START + CHUNKED], itertools.repeat(chunk)))


def check_endless(pieces: Callable[[], Iterator[bytes]]) -> None:
    with (
        dripping_server(pieces, 0) as server,
        Client(server.url, RequestAuth(), 1, TIMEOUTS) as client,
        bounded_memory(),
        pytest.raises(InvalidResponse, match="longer than 1 MiB"),
    ):
        client.get("/", {})


def test_endless_headers_are_refused_with_little_memory() -> None:
    headers = itertools.chain([START], itertools.repeat(b"X-Endless: 1\r\n" * 1000))
    with (
        dripping_server(lambda: headers, 0) as server,
        Client(server.url, RequestAuth(), 1, TIMEOUTS) as client,
        bounded_memory(),
        pytest.raises(ProviderUnavailable),
    ):
        client.get("/", {})


class bounded_memory:  # noqa: N801
    """Fails if the block takes more memory than MEMORY, or much more time than a call may take."""

    def __enter__(self) -> None:
        self.began = time.monotonic()
        tracemalloc.start()

    def __exit__(self, *_: object) -> None:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < MEMORY
        assert time.monotonic() - self.began < TIMEOUTS.call + 2


def hostile(text: str) -> Script:
    """Return a script that gives every symbol but GOOD this text."""
    quote = {"c": 187.44, "h": 188.1, "l": 186, "o": 187, "pc": 186.5, "t": 1732096798}
    return lambda request: Answer(quote if request.query["symbol"] == "GOOD" else text)


TEXTS = {
    "a million keys": lambda: "{" + '"k":0,' * 10**6 + '"c":1}',
    "many keys": lambda: json.dumps({f"k{number:x}": 0 for number in range(80_000)}),
    "deep nesting": lambda: "[" * 10**6,
    "deep objects": lambda: '{"c":' * 300_000,
    "a long number": lambda: f'{{"c": {"9" * 10**6}, "t": 1732096798}}',
    "a long fraction": lambda: f'{{"c": 1.{"9" * 10**6}, "t": 1732096798}}',
    "a huge exponent": lambda: '{"c": 1e999999999999, "t": 1732096798}',
}


@pytest.mark.parametrize("make_text", TEXTS.values(), ids=TEXTS.keys())
def test_hostile_json_fails_its_symbol_alone(make_text: Callable[[], str], tmp_path: Path) -> None:
    with fake_http_server(hostile(make_text())) as server:
        provider = HttpProvider(Finnhub(), Account(server.url, "key"), tmp_path, TIMEOUTS)
        began = time.monotonic()
        found = provider.quotes(["BAD", "GOOD", "WORSE"], utc_now())
        assert time.monotonic() - began < 2 * TIMEOUTS.call
    assert isinstance(found["GOOD"], Quote)
    assert isinstance(found["BAD"], InvalidResponse)
    assert len(str(found["BAD"])) < 400


MANY_ANSWERS = """
import resource, sys
from pathlib import Path
from producer.providers.http.apis.finnhub import Finnhub
from producer.providers.http.circuit_breaker import CircuitBreaker
from producer.providers.http import circuit_breaker
from producer.providers.http.provider import HttpProvider
from shared.accounts import Account
from shared.times import utc_now
circuit_breaker.FAILURE_THRESHOLD = 1000
provider = HttpProvider(Finnhub(), Account(sys.argv[1], "key", per_minute=1000), Path(sys.argv[2]))
found = provider.quotes([f"S{number}" for number in range(33)], utc_now())
print(len(found), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.fault
def test_many_hostile_answers_at_once_take_little_memory(tmp_path: Path) -> None:
    # Twenty bytes of memory per byte of text.
    text = "[" + "[]," * (MAX_BODY // 3 - 10) + "[]]"
    with fake_http_server(always(Answer(text))) as server:
        command = [sys.executable, "-c", MANY_ANSWERS, server.url, str(tmp_path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    count, megabytes = map(int, done.stdout.split())
    assert count == 33
    assert megabytes < 250
