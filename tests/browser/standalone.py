"""A browser and a Stockwire for commands that are no tests: measure and screenshot."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.browser.conftest import find_chromium, launch
from tests.browser.site import Site, site
from tests.shared_rabbitmq import end_shared_rabbitmq, shared_rabbitmq, virtual_host


@contextmanager
def browser_and_site(symbols: str, **settings: str) -> Iterator[tuple[Browser, Site]]:
    """Run a browser, RabbitMQ and a Stockwire for one block."""
    chromium = find_chromium()
    if chromium is None:
        raise SystemExit("no Chromium is installed: apt-get install chromium-headless-shell")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        node = shared_rabbitmq(Path(folder), os.getpid())
        try:
            with virtual_host(node) as address, site(Path(folder) / "site", address, symbols, **settings) as running:
                yield launch(playwright, chromium), running
        finally:
            end_shared_rabbitmq(Path(folder))
