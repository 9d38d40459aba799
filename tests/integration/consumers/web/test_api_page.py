"""Every curl command of docs/api.md, in its order, against a server with prices of its own."""

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from shared.settings import ROOT, Settings
from tests.conftest import unavailable
from tests.documents import blocks
from tests.web_server import TOKEN, Client, serving

COMMANDS = [
    command for block in blocks(ROOT / "docs" / "api.md") if block.language == "sh" for command in block.commands()
]
DOCUMENTED = "http://127.0.0.1:8000"
# What the output of a command has, for those that answer with an error on purpose.
EXPECTED = {"APPL": '"nearest": ["AAPL"]', "limit=0": "limit: Input should be", "If-None-Match": "304 Not Modified"}


@pytest.fixture(scope="module")
def own(settings: Settings) -> Iterator[Client]:
    if shutil.which("curl") is None:
        unavailable("curl is not installed")
    with serving(settings) as found:
        yield found


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_works(command: str, own: Client) -> None:
    assert command.startswith("curl ")
    words = command.replace(DOCUMENTED, own.url).replace("curl ", "curl --silent --show-error ", 1)
    done = subprocess.run(
        ["sh", "-c", words], env={**os.environ, "TOKEN": TOKEN}, check=False, capture_output=True, text=True, timeout=30
    )
    # 28: the time of a stream without an end is over.
    assert done.returncode in ((28,) if "--max-time" in command else (0,)), done.stderr
    expected = next((text for part, text in EXPECTED.items() if part in command), None)
    if expected is not None:
        assert expected in done.stdout
    else:
        assert '"status":' not in done.stdout, done.stdout
