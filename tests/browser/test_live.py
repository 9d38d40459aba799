"""The live connection of the page in a real browser: what comes, what is missed, and what is refused."""

import re
from collections.abc import Iterator
from decimal import Decimal

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from shared.messaging.address import BrokerAddress
from tests.browser.conftest import REBOUND_NAME, Snapshots
from tests.browser.site import TOKEN, Site, price, site
from tests.polling import eventually
from tests.proxy import Proxy, proxy

SYMBOLS = [f"S{number:03}" for number in range(100)]
BURST = 10_000


@pytest.fixture(scope="module")
def broker_proxy(browser: Browser, module_broker: BrokerAddress) -> Iterator[Proxy]:
    """The only way from the site to RabbitMQ."""
    with proxy(module_broker) as opened:
        yield opened


@pytest.fixture(scope="module")
def live_site(broker_proxy: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    symbols = ",".join(["AAPL", "MSFT", *SYMBOLS])
    with site(tmp_path_factory.mktemp("live-site"), broker_proxy.address, symbols) as running:
        running.publish(price("AAPL", "200", 60), price("MSFT", "400", 60))
        eventually(lambda: running.stored("MSFT", "400"))
        yield running


@pytest.fixture
def live_page(page: Page, live_site: Site) -> Page:
    page.goto(live_site.url)
    expect_state(page, "live")
    expect(price_of(page, "AAPL")).to_have_text(re.compile(r"\d"))
    return page


def expect_state(page: Page, *states: str) -> None:
    expect(page.locator("#connection")).to_have_attribute("data-state", re.compile("|".join(states)))


def price_of(page: Page, symbol: str) -> Locator:
    return page.locator(f'tr[data-symbol="{symbol}"] .price')


def fault_of(page: Page) -> str:
    """Let the page read the health again, as it does when it is seen again, and return the fault that it shows."""
    with page.expect_response("**/v1/health"):
        page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
    return page.locator("#broken-part").inner_text()


def test_a_new_price_appears_and_lights_up(live_page: Page, live_site: Site) -> None:
    lights = price_of(live_page, "AAPL")
    live_page.evaluate(
        """() => {
            window.flashes = [];
            const cell = document.querySelector('tr[data-symbol="AAPL"] .price');
            const note = () => window.flashes.push(cell.dataset.flash);
            new MutationObserver(note).observe(cell, {attributes: true});
        }"""
    )
    live_site.publish(price("AAPL", "201.5"))
    expect(lights).to_have_text("201.50")
    live_page.wait_for_function("() => window.flashes.includes('up') && window.flashes.at(-1) === undefined")


def test_nothing_lights_up_if_the_system_wants_less_motion(live_page: Page) -> None:
    flash = """cell => {
        cell.dataset.flash = 'up';
        return getComputedStyle(cell).backgroundColor;
    }"""
    cell = price_of(live_page, "AAPL")
    assert cell.evaluate(flash) != "rgba(0, 0, 0, 0)"
    live_page.emulate_media(reduced_motion="reduce")
    assert cell.evaluate(flash) == "rgba(0, 0, 0, 0)"


def test_the_change_counts_from_the_close_that_the_provider_told_also_after_a_reload(
    live_page: Page, live_site: Site
) -> None:
    live_site.publish(price("MSFT", "410", previous_close=Decimal(400)))
    change = live_page.locator('tr[data-symbol="MSFT"] .change')
    expect(change).to_have_text("+2.50 %")
    live_page.reload()
    expect(change).to_have_text("+2.50 %")


def test_what_came_while_the_server_was_away_is_shown(live_page: Page, live_site: Site, snapshots: Snapshots) -> None:
    assert live_site.server
    live_site.server.stop()
    expect_state(live_page, "reconnecting")
    snapshots(live_page, "reconnecting")
    live_site.publish(price("AAPL", "202"), price("AAPL", "203"), price("MSFT", "401"))
    live_site.start_server()
    expect_state(live_page, "live")
    expect(price_of(live_page, "AAPL")).to_have_text("203.00")
    expect(price_of(live_page, "MSFT")).to_have_text("401.00")
    expect(live_page.locator(".toast")).to_contain_text("3 prices and 0 alerts")


def test_a_page_that_was_opened_while_the_server_failed_recovers_by_itself(page: Page, live_site: Site) -> None:
    page.route("**/v1/**", lambda route: route.abort())
    page.goto(live_site.url)
    expect(page.locator('.notice[data-kind="failed"]')).to_contain_text("could not be loaded")
    expect_state(page, "reconnecting")
    page.unroute("**/v1/**")
    expect(price_of(page, "MSFT")).to_have_text(re.compile(r"\d"))
    expect_state(page, "live")


def test_a_page_without_a_network_says_so_and_recovers(
    live_page: Page, context: BrowserContext, live_site: Site
) -> None:
    context.set_offline(True)
    expect(live_page.locator(".connection-words")).to_contain_text("Offline since")
    live_site.publish(price("AAPL", "204"))
    context.set_offline(False)
    expect(price_of(live_page, "AAPL")).to_have_text("204.00")
    expect_state(live_page, "live")


def test_a_killed_consumer_is_named_and_its_prices_come_later(
    live_page: Page, live_site: Site, snapshots: Snapshots
) -> None:
    live_site.consumers["history"].send(9)
    live_site.publish(price("AAPL", "205"))
    eventually(lambda: "The history consumer is away" in fault_of(live_page))
    snapshots(live_page, "consumer-away")
    live_site.start_consumers("history")
    expect(price_of(live_page, "AAPL")).to_have_text("205.00")
    eventually(lambda: "history consumer" not in fault_of(live_page))


def test_prices_come_again_after_the_broker_was_away(live_page: Page, live_site: Site, broker_proxy: Proxy) -> None:
    broker_proxy.away.set()
    broker_proxy.cut()
    eventually(lambda: "RabbitMQ" in fault_of(live_page))
    broker_proxy.away.clear()
    live_site.publish(price("AAPL", "206"))
    expect(price_of(live_page, "AAPL")).to_have_text("206.00", timeout=60_000)


def test_a_burst_of_prices_ends_with_the_newest_of_each_symbol(live_page: Page, live_site: Site) -> None:
    rounds = BURST // len(SYMBOLS)
    events = [
        price(symbol, f"{100 + number}", (rounds - number) / 100)
        for number in range(1, rounds + 1)
        for symbol in SYMBOLS
    ]
    live_site.publish(*events)
    last = f"{100 + rounds:.2f}"
    live_page.wait_for_function(
        "last => [...document.querySelectorAll('tr[data-symbol^=S] .price')].every(each => each.textContent === last)",
        arg=last,
        timeout=60_000,
    )
    assert live_page.locator("tr[data-symbol^=S]").count() == len(SYMBOLS)


def test_symbols_are_added_and_removed_with_the_token_that_is_asked_for_once(
    live_page: Page, live_site: Site, snapshots: Snapshots
) -> None:
    addresses: list[str] = []
    live_page.on("request", lambda request: addresses.append(request.url))
    live_page.get_by_label("Symbol to add").fill("nvda")
    live_page.get_by_role("button", name="Add").click()
    dialog = live_page.get_by_role("dialog")
    dialog.get_by_label("Token").fill("wrong")
    snapshots(live_page, "token")
    dialog.get_by_role("button", name="Use the token").click()
    expect(dialog).to_contain_text("The token is wrong")
    dialog.get_by_label("Token").fill(TOKEN)
    dialog.get_by_role("button", name="Use the token").click()
    expect(live_page.locator('tr[data-symbol="NVDA"]')).to_contain_text("No price yet")
    live_page.get_by_role("button", name="Remove NVDA").click()
    live_page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(live_page.locator('tr[data-symbol="NVDA"]')).to_have_count(0)
    live_page.get_by_label("Symbol to add").fill("AMpB")
    live_page.get_by_role("button", name="Add").click()
    expect(live_page.locator('.toast[data-kind="failed"]')).to_contain_text("AMpB")
    assert not any(TOKEN in address for address in addresses)


def test_the_watch_list_is_used_with_the_keyboard(live_page: Page, live_site: Site) -> None:
    live_page.keyboard.press("/")
    live_page.keyboard.type("s00")
    expect(live_page.locator("tbody tr:visible")).to_have_count(10)
    live_page.locator('tr[data-symbol="S000"] a').focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowUp", "Enter"):
        live_page.keyboard.press(key)
    expect(live_page).to_have_url(re.compile("#/symbol/S001"))
    expect(live_page.get_by_role("heading", name="S001")).to_be_visible()


def test_sorting_by_a_column_turns_around_and_ends(live_page: Page) -> None:
    def first() -> str:
        return live_page.locator("tbody tr").first.get_attribute("data-symbol") or ""

    header = live_page.get_by_role("columnheader", name="Price")
    header.get_by_role("button").click()
    expect(header).to_have_attribute("aria-sort", "descending")
    assert first() == "MSFT"
    header.get_by_role("button").click()
    expect(header).to_have_attribute("aria-sort", "ascending")
    assert first() != "MSFT"
    header.get_by_role("button").click()
    expect(header).to_have_attribute("aria-sort", "none")
    assert first() == "AAPL"


def test_nothing_is_loaded_from_elsewhere_and_nothing_inline_is_allowed(page: Page, live_site: Site) -> None:
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    answer = page.goto(live_site.url)
    assert answer
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    page.goto(f"{live_site.url}#/symbol/AAPL")
    expect(page.locator(".chart canvas").first).to_be_visible()
    assert [each for each in addresses if not each.startswith((live_site.url, "data:"))] == []


def test_another_name_for_our_address_is_refused(page: Page, live_site: Site) -> None:
    rebound = live_site.url.replace("127.0.0.1", REBOUND_NAME)
    answer = page.goto(rebound)
    assert answer
    assert answer.status == 421
    assert page.locator("#main").count() == 0
    assert requests.get(live_site.url, headers={"Host": "evil.example"}, timeout=10).status_code == 421
