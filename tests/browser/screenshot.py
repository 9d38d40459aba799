"""Make the pictures of the page in docs/images from simulated prices: .venv/bin/python -m tests.browser.screenshot"""

import os
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from shared.settings import ROOT
from tests.browser.conftest import find_chromium, launch
from tests.browser.site import Site, site
from tests.shared_rabbitmq import end_shared_rabbitmq, shared_rabbitmq, virtual_host

IMAGES = ROOT / "docs" / "images"
SYMBOLS = "AAPL,MSFT,GOOG,AMZN,META,NVDA,TSLA,BRK.B,JPM,KO"
RULES = {"AAPL takes profit": "AAPL moving up 0.2% in 2h", "AAPL drops": "AAPL moving down 0.3% in 2h"}
SIZE = {"width": 1280, "height": 800}


def main() -> None:
    chromium = find_chromium()
    if chromium is None:
        raise SystemExit("no Chromium is installed: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        node = shared_rabbitmq(Path(folder), os.getpid())
        try:
            with virtual_host(node) as address, site(Path(folder) / "site", address, SYMBOLS) as running:
                fill(running)
                take_pictures(launch(playwright, chromium), running)
        finally:
            end_shared_rabbitmq(Path(folder))


def fill(running: Site) -> None:
    """Store a year of days and five days of five minutes, then follow the prices of ten syncs."""
    symbols = SYMBOLS.split(",")
    running.stockwire("backfill", *symbols, "--since", "365d", "--interval", "1d")
    running.stockwire("backfill", *symbols, "--since", "5d", "--interval", "5m")
    for name, when in RULES.items():
        running.stockwire("rules", "add", name, when)
    for _ in range(10):
        running.stockwire("sync")
        time.sleep(1)


def take_pictures(browser: Browser, running: Site) -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    for scheme in ("light", "dark"):
        with browser.new_context(viewport=SIZE, color_scheme=scheme, locale="en-GB", timezone_id="UTC") as context:
            page = context.new_page()
            page.goto(running.url)
            expect(page.locator(".quotes .sparkline[data-direction]").last).to_be_visible()
            save(page, running, f"watch-list-{scheme}.png")
            page.goto(f"{running.url}#/symbol/AAPL")
            expect(page.locator(".chart canvas").first).to_be_visible()
            save(page, running, f"symbol-{scheme}.png")


def save(page: Page, running: Site, name: str) -> None:
    """Take the picture once the page is live, and has drawn a new price."""
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    running.stockwire("sync")
    page.wait_for_timeout(1500)
    page.screenshot(path=IMAGES / name)
    print(IMAGES / name)


if __name__ == "__main__":
    main()
