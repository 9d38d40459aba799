"""Make the pictures of the page in docs/images from simulated prices: .venv/bin/python -m tests.browser.screenshot"""

from decimal import Decimal

import requests
from playwright.sync_api import Browser, Page, expect

from shared.settings import ROOT
from tests.browser.site import Site
from tests.browser.standalone import browser_and_site

IMAGES = ROOT / "docs" / "images"
SYMBOLS = "AAPL,MSFT,GOOG,AMZN,META,NVDA,TSLA,BRK.B,JPM,KO"
# The first one is true at once.
RULES = [("support", "above", "0.995"), ("take profit", "crossing up", "1.008"), ("stop", "crossing down", "0.988")]
SIZE = {"width": 1280, "height": 800}


def main() -> None:
    with browser_and_site(SYMBOLS, STOCKWIRE_SCHEDULE="2s") as (browser, running):
        fill(running)
        take_pictures(browser, running)


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
