"""Fixtures of the tests in a real browser: Chromium as the system has it, a context per test, and a site per file."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, Playwright, expect, sync_playwright

from shared.messaging.address import BrokerAddress
from shared.settings import ROOT
from tests.browser.site import Site, site
from tests.conftest import unavailable

ARTEFACTS = ROOT / "var" / "test-artefacts"
# The first is Chromium without its windows, which loads a page with a sixth of the processor time.
CHROMIUM = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
# A name that leads to this machine, as the name of another site does in an attack by DNS rebinding.
REBOUND_NAME = "rebound.example"
# Without these, Chromium calls the services of its makers, and needs a sandbox that root does not have.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--host-resolver-rules=MAP {REBOUND_NAME} 127.0.0.1",
]
WIDTHS = (1440, 360)
# Milliseconds, for a machine that runs other tests at the same time.
expect.set_options(timeout=20_000)
SCHEMES = ("light", "dark")
# Pixels; of a longer page, the picture has what is seen first.
MOST_HEIGHT = 2500


def find_chromium() -> str | None:
    return next(filter(None, map(shutil.which, CHROMIUM)), None)


def launch(playwright: Playwright, chromium: str) -> Browser:
    return playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = find_chromium()
    if found is None:
        unavailable("no Chromium is installed: apt-get install chromium-headless-shell")
        raise AssertionError
    with sync_playwright() as playwright:
        started = launch(playwright, found)
        yield started
        started.close()


@pytest.fixture(scope="module")
def shared_site(
    browser: Browser, module_broker: BrokerAddress, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A running Stockwire for all tests of a file. Each test uses symbols and rules of its own."""
    with site(tmp_path_factory.mktemp("site"), module_broker) as running:
        yield running


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A new browser context: no token, no stored choices, a clock in Berlin."""
    with browser.new_context(
        viewport={"width": 1440, "height": 900}, locale="en-GB", timezone_id="Europe/Berlin", color_scheme="light"
    ) as opened:
        opened.set_default_timeout(20_000)
        yield opened


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page that must not break a rule of its Content-Security-Policy, throw an error, nor run other people's text."""
    opened = context.new_page()
    errors: list[str] = []

    def note_dialog(dialog: Dialog) -> None:
        errors.append(f"a script has opened a dialog: {dialog.message}")
        dialog.dismiss()

    opened.on("dialog", note_dialog)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda message: errors.append(message.text) if _is_violation(message.text) else None)
    yield opened
    assert errors == []


def _is_violation(text: str) -> bool:
    return "Content Security Policy" in text or "Refused to" in text


Snapshots = Callable[[Page, str], None]


@pytest.fixture
def snapshots() -> Snapshots:
    """Save a picture of a page in both schemes and at both widths under var/test-artefacts."""

    def save(page: Page, name: str) -> None:
        size = page.viewport_size or {"width": 1440, "height": 900}
        page.evaluate("scrollTo(0, 0)")
        for scheme in SCHEMES:
            for width in WIDTHS:
                page.emulate_media(color_scheme=scheme)
                page.set_viewport_size({"width": width, "height": 900})
                height = page.evaluate("document.documentElement.scrollHeight")
                path = _artefact(f"{name}-{scheme}-{width}.png")
                page.screenshot(path=path, full_page=height < MOST_HEIGHT)
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": size["width"], "height": size["height"]})

    return save


def _artefact(name: str) -> Path:
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    return ARTEFACTS / name
