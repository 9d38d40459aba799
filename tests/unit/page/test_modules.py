"""The modules of the page that need no browser, tested by Deno."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

DENO = Path(sys.executable).parent / "deno"
HERE = Path(__file__).parent


def test_the_modules_pass_their_own_tests(tmp_path: Path) -> None:
    environment = {**os.environ, "DENO_DIR": str(tmp_path), "DENO_NO_UPDATE_CHECK": "1", "NO_COLOR": "1", "TZ": "UTC"}
    command = [DENO, "test", "--no-check", "--no-config", "--quiet", HERE]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.fail(f"{done.stdout}{done.stderr}", pytrace=False)
    assert "passed" in done.stdout
