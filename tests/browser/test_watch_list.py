"""The watch list in a real browser."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.accessibility import violations
from tests.browser.conftest import Snapshots
from tests.browser.site import Site, daily_bars, price
from tests.polling import eventually


def row(page: Page, symbol: str) -> Locator:
    return page.locator(f'tr[data-symbol="{symbol}"]')


def symbols(page: Page) -> list[str]:
    return page.locator("tbody tr:visible th a").all_inner_texts()


@pytest.fixture(scope="module")
def filled_site(shared_site: Site) -> Site:
    """Three symbols with a previous close and a course of the day."""
    for symbol, close in (("AAPL", 200), ("MSFT", 400), ("BRK.B", 412)):
        day = [price(symbol, str(close + n), 3600 - 300 * n, volume=1_000_000 + n) for n in range(10)]
        shared_site.publish(*daily_bars(symbol, [str(close - 5), str(close)], age=900), *day)
        eventually(lambda symbol=symbol, close=close: shared_site.stored(symbol, str(close + 9)))
    return shared_site


def test_a_row_has_price_change_course_volume_and_age(filled_site: Site, page: Page, snapshots: Snapshots) -> None:
    page.goto(filled_site.url)
    msft = row(page, "MSFT")
    expect(msft.locator(".price")).to_have_text("409.00")
    expect(msft.locator(".change")).to_have_text("+2.25 %")
    expect(msft.locator(".volume")).to_have_text("1.00 M")
    expect(msft.locator(".age")).to_have_text("15 min")
    expect(msft.locator("svg")).to_have_attribute("aria-label", re.compile("highest 409"))
    expect(page.locator("#simulated")).to_have_text("Simulated prices")
    assert violations(page) == []
    snapshots(page, "watch-list")
