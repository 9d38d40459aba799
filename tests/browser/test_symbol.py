"""The view of one symbol in a real browser."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from playwright.sync_api import Locator, Page, expect

from shared.events import StockData
from tests.browser.accessibility import violations
from tests.browser.conftest import Snapshots
from tests.browser.site import Site, daily_bars, price
from tests.polling import eventually

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>"


def day_of(symbol: str, first: int) -> list[StockData]:
    """Return a price per minute of the last four hours."""
    return [price(symbol, f"{first + n / 8:g}", 14_400 - 60 * n, delay=1.5) for n in range(240)]


@pytest.fixture(scope="module")
def filled_site(shared_site: Site) -> Site:
    shared_site.publish(*daily_bars("AAPL", [f"{150 + n / 32:g}" for n in range(1300)]), *day_of("AAPL", 190))
    shared_site.publish(*daily_bars("MSFT", [f"{300 + n / 8:g}" for n in range(400)], provider="yahoo"))
    shared_site.stockwire("rules", "add", "target", "AAPL above 205")
    shared_site.stockwire("rules", "add", EVIL, "MSFT above 205")
    shared_site.stockwire("rules", "add", "corridor", "AAPL inside channel 188 260", "--on-arm", "wait")
    shared_site.publish(price("AAPL", "220", 1), price("MSFT", "351", 1, provider=EVIL))
    eventually(lambda: shared_site.stored("AAPL", "220") and shared_site.stored("MSFT", "351"))
    eventually(lambda: get(shared_site, "/v1/alerts", symbol="AAPL")["alerts"])
    return shared_site


def get(site: Site, path: str, **parameters: Any) -> Any:
    answer = requests.get(site.url.rstrip("/") + path, params=parameters, timeout=10)
    assert answer.ok, answer.text
    return answer.json()


def open_symbol(page: Page, site: Site, symbol: str) -> Locator:
    page.goto(f"{site.url}#/symbol/{symbol}")
    chart = page.locator(".chart")
    expect(chart).to_have_attribute("aria-label", re.compile(r"\d+ candles from"))
    return chart


def test_the_chart_has_candles_thresholds_and_firings(filled_site: Site, page: Page, snapshots: Snapshots) -> None:
    chart = open_symbol(page, filled_site, "AAPL")
    expect(chart).to_have_attribute("aria-label", re.compile(r"Thresholds: .*\(above\) 205, corridor .* 188, .* 260"))
    expect(chart).to_have_attribute("aria-label", re.compile("1 alert is marked"))
    expect(page.locator(".large-price")).to_have_text("220.00")
    expect(page.locator(".large-change")).to_have_text("+15.43 %")
    assert violations(page) == []
    snapshots(page, "symbol")


def test_what_others_wrote_is_never_html(filled_site: Site, page: Page) -> None:
    chart = open_symbol(page, filled_site, "MSFT")
    expect(chart).to_have_attribute("aria-label", re.compile(re.escape(f"{EVIL} (above) 205")))
    expect(page.locator(".events tbody tr").first).to_contain_text(EVIL)
    expect(page.locator(".symbol-header")).to_contain_text(EVIL)
    assert page.locator("main script, main img").count() == 0


def test_five_years_of_daily_candles_are_those_of_the_api(filled_site: Site, page: Page) -> None:
    open_symbol(page, filled_site, "AAPL")
    page.get_by_role("radio", name="5 years").check()
    expect(page.locator(".chart")).to_have_attribute("aria-label", re.compile(r"^1,30\d candles"))
    page.get_by_text("Candles as a table").click()
    rows = page.locator(".candle-table tbody tr")
    expect(rows).to_have_count(500)
    page.locator(".zone select").select_option("UTC")
    expect(rows.nth(1)).to_contain_text(f"{datetime.now(UTC) - timedelta(days=1):%-d %b %Y}")
    start = f"{datetime.now(UTC) - timedelta(days=3):%Y-%m-%d}"
    stored = get(filled_site, "/v1/candles/AAPL", timeframe="1Day", tz="UTC", start=start)["candles"]
    expected = [[float(each[name]) for name in ("open", "high", "low", "close")] for each in reversed(stored)]

    def shown() -> list[list[float]]:
        texts = [row.locator("td").all_inner_texts()[:4] for row in rows.all()[: len(expected)]]
        return [[float(text.replace(",", "")) for text in cells] for cells in texts]

    assert expected
    # The candles of the other zone stay until those of UTC have come.
    eventually(lambda: shown() == expected)


def test_a_symbol_with_daily_bars_alone_shows_the_shortest_range_that_has_candles(
    filled_site: Site, page: Page
) -> None:
    chart = open_symbol(page, filled_site, "MSFT")
    expect(chart).to_have_attribute("aria-label", re.compile(r"^[5-8] candles"))
    assert page.get_by_role("radio", name="5 days").is_checked()
    page.get_by_role("radio", name="1 day").check()
    expect(chart).to_have_attribute("aria-label", re.compile("^1 candle from"))


def test_times_are_those_of_the_chosen_zone(filled_site: Site, page: Page) -> None:
    open_symbol(page, filled_site, "AAPL")
    page.get_by_text("Candles as a table").click()
    first = page.locator(".candle-table tbody th").first
    in_berlin = first.inner_text()
    page.locator(".zone select").select_option("UTC")
    expect(first).not_to_have_text(in_berlin)
    newest = get(filled_site, "/v1/candles/AAPL", timeframe="5Min", start="6h")["candles"][-1]["start"]
    expect(first).to_have_text(f"{datetime.fromisoformat(newest):%-d %b %Y, %H:%M}")


def test_any_candle_tells_the_events_it_is_made_of(filled_site: Site, page: Page, snapshots: Snapshots) -> None:
    chart = open_symbol(page, filled_site, "AAPL")
    chart.focus()
    for key in ("ArrowLeft", "ArrowLeft", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    expect(page.locator(".event-list .panel-header h2")).to_contain_text("Prices of the candle of")
    shown = page.locator(".events tbody tr")
    expect(shown).to_have_count(5)
    stored = {row["id"]: row for row in get(filled_site, "/v1/provenance/AAPL", limit=100)["prices"]}
    for row in shown.all():
        cells = row.locator("td").all_inner_texts()
        known = stored[cells[-1]]
        assert cells[2:4] == [known["provider"], "1.5 s"]
        assert float(cells[1].split()[0]) == float(known["price"])
    snapshots(page, "symbol-provenance")
    page.get_by_text("Show the newest").click()
    expect(page.locator(".event-list .panel-header h2")).to_have_text("Newest events")
    expect(shown).to_have_count(20)


def test_prices_adjusted_for_splits(filled_site: Site, page: Page) -> None:
    filled_site.publish(*daily_bars("BRK.B", ["800"] * 5 + ["200"] * 5, provider="yahoo"))
    eventually(lambda: filled_site.stored("BRK.B", "200"))
    day = f"{datetime.now(UTC) - timedelta(days=5):%Y-%m-%d}"
    filled_site.stockwire("splits", "add", "BRK.B", day, "4:1")
    open_symbol(page, filled_site, "BRK.B")
    page.get_by_role("radio", name="1 day").check()
    expect(page.locator(".candle-panel .notice")).to_contain_text("Choose a longer time")
    page.get_by_role("radio", name="1 month").check()
    expect(page.locator(".chart")).to_have_attribute("aria-label", re.compile(r"First 799, last 200, highest 802"))
    page.get_by_label("Adjusted for splits").check()
    expect(page.locator(".chart")).to_have_attribute("aria-label", re.compile(r"First 199.75, last 200, highest 202"))


def test_an_unknown_symbol_names_those_that_are_like_it(filled_site: Site, page: Page, snapshots: Snapshots) -> None:
    page.goto(f"{filled_site.url}#/symbol/AAPLE")
    expect(page.locator(".candle-panel .notice")).to_contain_text(
        "There are no stored prices of AAPLE: did you mean AAPL?"
    )
    expect(page.locator(".near-symbols a").first).to_have_attribute("href", "#/symbol/AAPL")
    assert violations(page) == []
    snapshots(page, "symbol-unknown")
