"""The files of the live page: types, lint and format of JavaScript, no HTML made of text, vendored files unchanged."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shared.settings import ROOT

WEB = ROOT / "consumers" / "web"
STATIC = WEB / "static"
VENDOR = STATIC / "vendor"
DENO = Path(sys.executable).parent / "deno"

CHECKS = {
    "types": ["check", "static"],
    "lint": ["lint", "static"],
    "format": ["fmt", "--check", "static"],
}

OURS = sorted(path for path in STATIC.rglob("*") if path.is_file() and VENDOR not in path.parents)
# Each of these makes HTML or code of text, or is refused by the Content-Security-Policy.
FORBIDDEN = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|HTMLUnsafe|DOMParser|srcdoc|createContextualFragment"
    r"|\beval\b|new Function|javascript:|(set|remove)Attribute\(\"style\"|cssText|<style|\sstyle=|\son[a-z]+="
)
ELSEWHERE = re.compile(r"""(src|href|from|import|url|fetch)\s*[(=:]?\s*["'(]+(https?:)?//""")


@pytest.mark.parametrize("words", CHECKS.values(), ids=CHECKS)
def test_the_javascript_passes(words: list[str], tmp_path: Path) -> None:
    environment = {**os.environ, "DENO_DIR": str(tmp_path), "DENO_NO_UPDATE_CHECK": "1", "NO_COLOR": "1"}
    done = subprocess.run([DENO, *words], cwd=WEB, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.fail(f"deno {' '.join(words)}:\n{done.stdout}{done.stderr}", pytrace=False)


@pytest.mark.parametrize(
    "path", [each for each in OURS if each.suffix in (".js", ".html", ".svg")], ids=lambda path: path.name
)
def test_no_text_is_made_html_or_code(path: Path) -> None:
    assert FORBIDDEN.findall(path.read_text()) == []


@pytest.mark.parametrize(
    "code",
    [
        "row.innerHTML = name",
        'row.insertAdjacentHTML("beforeend", name)',
        "eval(name)",
        "new Function(name)",
        'row.setAttribute("style", name)',
        '<p style="color: red">',
        '<p onclick="go()">',
        '<a href="javascript:go()">',
    ],
)
def test_the_check_finds_what_is_forbidden(code: str) -> None:
    assert FORBIDDEN.search(code)


@pytest.mark.parametrize(
    "path", [each for each in OURS if each.suffix in (".js", ".html", ".css")], ids=lambda path: path.name
)
def test_nothing_is_loaded_from_elsewhere(path: Path) -> None:
    loading = [line for line in path.read_text().splitlines() if ELSEWHERE.search(line)]
    assert [line for line in loading if 'rel="noopener noreferrer"' not in line] == []


def test_every_vendored_file_is_as_it_was_published() -> None:
    table = re.findall(
        r"^\| `(\S+)` \| [\w-]+ [\d.]+ \| `\S+` \| `(\w{64})` \|$", (VENDOR / "README.md").read_text(), re.MULTILINE
    )
    assert table
    for name, digest in table:
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest, name
    known = {name for name, _ in table} | {"README.md", "lightweight-charts-NOTICE"}
    assert {path.name for path in VENDOR.iterdir()} == known


def test_the_page_has_the_notice_of_its_charts() -> None:
    notice = (VENDOR / "lightweight-charts-NOTICE").read_text()
    page = (STATIC / "index.html").read_text()
    assert "https://www.tradingview.com/" in notice
    assert 'href="https://www.tradingview.com/"' in page
    assert "Lightweight Charts™" in page
