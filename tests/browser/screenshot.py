"""Make the pictures of the page in docs/images from simulated prices: .venv/bin/python -m tests.browser.screenshot"""

import os
import tempfile
from decimal import Decimal
from pathlib import Path

import requests
from playwright.sync_api import Browser, Page, expect, sync_playwright

from shared.settings import ROOT
from tests.browser.conftest import find_chromium, launch
from tests.browser.site import Site, site
from tests.shared_rabbitmq import end_shared_rabbitmq, shared_rabbitmq, virtual_host

IMAGES = ROOT / "docs" / "images"
SYMBOLS = "AAPL,MSFT,GOOG,AMZN,META,NVDA,TSLA,BRK.B,JPM,KO"
# The first one is true at once.
RULES = [("support", "above", "0.995"), ("take profit", "crossing up", "1.008"), ("stop", "crossing down", "0.988")]
SIZE = {"width": 1280, "height": 800}


def main() -> None:
    chromium = find_chromium()
    if chromium is None:
        raise SystemExit("no Chromium is installed: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        node = shared_rabbitmq(Path(folder), os.getpid())
        try:
            with (
                virtual_host(node) as address,
                site(Path(folder) / "site", address, SYMBOLS, STOCKWIRE_SCHEDULE="2s") as running,
            ):
                fill(running)
                take_pictures(launch(playwright, chromium), running)
        finally:
            end_shared_rabbitmq(Path(folder))


def fill(running: Site) -> None:
    """Store a year of days and five days of five minutes, add rules around the price, and let the producer run."""
    symbols = SYMBOLS.split(",")
    running.stockwire("backfill", *symbols, "--since", "365d", "--interval", "1d")
    running.stockwire("backfill", *symbols, "--since", "5d", "--interval", "5m")
    running.start_producer()
    [row] = requests.get(f"{running.url}v1/latest", params={"symbols": "AAPL"}, timeout=10).json()["prices"]
    close = Decimal(row["price"])
    for name, condition, distance in RULES:
        running.stockwire("rules", "add", name, f"AAPL {condition} {close * Decimal(distance):.2f}")


def take_pictures(browser: Browser, running: Site) -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    for scheme in ("light", "dark"):
        with browser.new_context(viewport=SIZE, color_scheme=scheme, locale="en-GB", timezone_id="UTC") as context:
            page = context.new_page()
            page.goto(running.url)
            expect(page.locator(".quotes .sparkline[data-direction]").last).to_be_visible()
            save(page, f"watch-list-{scheme}.png")
            page.goto(f"{running.url}#/symbol/AAPL")
            expect(page.locator(".chart canvas").first).to_be_visible()
            save(page, f"symbol-{scheme}.png")


def save(page: Page, name: str) -> None:
    """Take the picture once the page is live, knows no fault, and has drawn some prices."""
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    expect(page.locator("#broken-part")).to_be_hidden()
    page.wait_for_timeout(4000)
    page.screenshot(path=IMAGES / name)
    print(IMAGES / name)


if __name__ == "__main__":
    main()
