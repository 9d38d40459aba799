"""The alerts view in a real browser: rules, the dry run, live alerts, deliveries, held rules and notifications."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import update

from consumers.alerts.conditions.registry import all_conditions
from consumers.alerts.notifications.target_store import add_target, disable_target, find_target
from consumers.alerts.notifications.targets import Target
from consumers.alerts.rules.parser import parse_terms
from consumers.alerts.tables import targets
from shared.database.engine import opened, writing
from shared.database.url import DatabaseUrl
from shared.times import utc_now
from tests.browser.accessibility import violations
from tests.browser.conftest import Snapshots
from tests.browser.site import TOKEN, Site, daily_bars, price
from tests.polling import eventually

# A name and a message that would be HTML, if they were not text.
HOSTILE = "<script>alert(1)</script>"
IMAGE = "<img src=x onerror=alert(2)>"
TODAY = [195 + n % 7 for n in range(40)]


@pytest.fixture(scope="module")
def alerts_site(shared_site: Site) -> Site:
    """Forty days of AAPL, which cross 200 again and again."""
    shared_site.publish(*daily_bars("AAPL", [str(close) for close in TODAY], HOSTILE))
    eventually(lambda: shared_site.stored("AAPL", str(TODAY[-1])))
    return shared_site


@pytest.fixture(autouse=True)
def no_rules(alerts_site: Site) -> Iterator[None]:
    yield
    for rule in call(alerts_site, "GET", "/v1/alert-rules")["rules"]:
        call(alerts_site, "DELETE", f"/v1/alert-rules/{rule['id']}")


def call(site: Site, method: str, path: str, body: Any = None) -> Any:
    """Call the API with the token."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = requests.request(method, site.url.rstrip("/") + path, json=body, headers=headers, timeout=10)
    assert answer.ok, answer.text
    return answer.json() if answer.content else None


def add(site: Site, name: str, when: str, **options: Any) -> None:
    call(site, "POST", "/v1/alert-rules", {"name": name, "when": when, **options})


def open_with_token(page: Page, site: Site, view: str = "#/alerts") -> None:
    page.add_init_script(f"sessionStorage.setItem('stockwire-token', '{TOKEN}')")
    page.goto(site.url + view)


def rule(page: Page, name: str) -> Locator:
    return page.locator("tbody[data-rule]").filter(has_text=name)


def toast(page: Page) -> Locator:
    return page.locator(".toast").last


def test_a_rule_is_written_with_help_tried_and_saved(alerts_site: Site, page: Page, snapshots: Snapshots) -> None:
    page.goto(alerts_site.url + "#/alerts")
    page.get_by_role("button", name="Add the first rule").click()
    page.get_by_label("Name", exact=True).fill(HOSTILE)
    page.get_by_label("Symbol, or * for every one").fill("AAPL")
    page.get_by_label("Alert if the price").select_option("crosses up through")
    page.get_by_label("Price", exact=True).fill("200")
    line = page.get_by_label("The rule as one line")
    expect(line).to_have_value("AAPL crossing up 200")
    expect(page.locator(".place")).to_have_text("AAPL is at 199.00; 200.00 is +0.50 % away.")
    # An error of the API stands at its field, and the fields that were closed open.
    page.get_by_text("How often, how long, until when").click()
    page.get_by_label("Arm again at the price").fill("300")
    page.get_by_role("button", name="Try on stored prices").click()
    page.get_by_role("textbox", name="Token").fill(TOKEN)
    page.get_by_role("button", name="Use the token").click()
    expect(page.locator("#error-rearm")).to_have_text("Rearm 300 must lie below 200, the threshold of crossing up 200")
    expect(page.get_by_label("Arm again at the price")).to_be_focused()
    expect(page.get_by_label("Arm again at the price")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Arm again at the price").fill("")
    # Nothing is stored by trying.
    page.get_by_role("button", name="Try on stored prices").click()
    expect(page.locator(".dry-run-words")).to_contain_text("AAPL crossing up 200 would have fired 5 times on 40 stored")
    expect(page.locator(".dry-run canvas").first).to_be_visible()
    page.get_by_text("5 firings").click()
    expect(page.locator("table.firings tbody tr")).to_have_count(5)
    expect(page.locator("table.firings tbody tr").first).to_contain_text(HOSTILE)
    assert violations(page) == []
    snapshots(page, "rule-form")
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.set_viewport_size({"width": 1440, "height": 900})
    assert call(alerts_site, "GET", "/v1/alert-rules")["rules"] == []
    page.get_by_role("button", name="Add the rule").click()
    expect(rule(page, HOSTILE)).to_contain_text("AAPL crossing up 200")
    # The rule is changed by its line, and the picker follows.
    rule(page, HOSTILE).get_by_role("button").first.click()
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("The rule as one line").fill("AAPL outside channel 150 250")
    expect(page.get_by_label("Alert if the price")).to_have_value("outside channel")
    expect(page.get_by_role("textbox", name="High")).to_have_value("250")
    page.get_by_label("The rule as one line").fill("AAPL above 2e2")
    expect(page.locator(".place")).to_have_text("AAPL is at 199.00.")
    page.get_by_label("The rule as one line").fill("AAPL outside channel 150 250")
    page.get_by_role("button", name="Save the changes").click()
    expect(rule(page, HOSTILE)).to_contain_text("AAPL outside channel 150 250")


def test_the_picker_writes_every_condition_as_the_parser_reads_it(alerts_site: Site, page: Page) -> None:
    page.goto(alerts_site.url + "#/symbol/MSFT")
    page.get_by_role("link", name="New alert rule").click()
    picker = page.get_by_label("Alert if the price")
    expect(picker).to_be_visible()
    choices = picker.locator("option").evaluate_all("options => options.map((each) => each.value)")
    written = set()
    for choice in choices:
        picker.select_option(choice)
        for part in page.locator(".picker-parts input").all():
            part.fill(part.get_attribute("placeholder") or "")
        terms = parse_terms(page.get_by_label("The rule as one line").input_value())
        assert terms.symbol == "MSFT"
        written.add(terms.condition.key())
    assert written == set(all_conditions())


def test_an_alert_comes_live_and_the_rule_is_acknowledged_silenced_disabled_and_removed(
    alerts_site: Site, page: Page, snapshots: Snapshots
) -> None:
    add(alerts_site, HOSTILE, "MSFT above 400", message=f"{IMAGE} at {{price}}")
    open_with_token(page, alerts_site)
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    alerts_site.publish(price("MSFT", "399", 5))
    expect(rule(page, HOSTILE).locator(".price")).to_have_text("399.00")
    expect(rule(page, HOSTILE).locator(".distance")).to_have_text("+0.25 %")
    expect(rule(page, HOSTILE).locator(".tag")).to_have_text("armed")
    alerts_site.publish(price("MSFT", "401.5", 2))
    alert = page.locator(".feed-item").first
    expect(alert).to_contain_text(HOSTILE)
    expect(alert).to_contain_text(f"{IMAGE} at 401.5")
    expect(rule(page, HOSTILE).locator(".tag")).to_have_text("firing")
    expect(rule(page, HOSTILE)).to_contain_text("since")
    assert violations(page) == []
    snapshots(page, "alerts")
    # By the keyboard: open the rule, and go on to what can be done with it.
    toggle = rule(page, HOSTILE).get_by_role("button").first
    toggle.focus()
    page.keyboard.press("Enter")
    expect(toggle).to_have_attribute("aria-expanded", "true")
    details = rule(page, HOSTILE).locator(".rule-details")
    details.get_by_role("button", name="Acknowledge").click()
    expect(rule(page, HOSTILE).locator(".tag").first).to_have_text("acknowledged")
    details.get_by_label("Silence for").select_option("8 hours")
    details.get_by_role("button", name="Silence", exact=True).click()
    expect(rule(page, HOSTILE).locator(".tag").first).to_have_text("silenced")
    details.get_by_role("button", name="End silence").click()
    expect(toast(page)).to_contain_text("is no longer silenced")
    details.get_by_role("button", name="Disable").click()
    expect(rule(page, HOSTILE).locator(".tag").first).to_have_text("disabled")
    details.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_text("No rules yet")).to_be_visible()
    expect(page.locator(".feed-item").first).to_contain_text(HOSTILE)


def test_rules_are_held_after_a_jump_and_both_ways_out_release_them(
    alerts_site: Site, page: Page, snapshots: Snapshots
) -> None:
    open_with_token(page, alerts_site)
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    for symbol in ("SPLT", "FELL"):
        add(alerts_site, f"high {symbol}", f"{symbol} above 500")
        alerts_site.publish(price(symbol, "400", 30 * 3600), price(symbol, "100", 5))
    held = page.locator(".held-symbol")
    expect(held).to_have_count(2)
    expect(page.locator(".feed-item").filter(has_text="Rules are held")).to_have_count(2)
    split = held.filter(has_text="SPLT")
    expect(split).to_contain_text("The price went from 400.00 to 100.00")
    expect(split).to_contain_text("1 rule waits: high SPLT")
    assert violations(page) == []
    snapshots(page, "held-rules")
    split.get_by_role("button", name="It was a split").click()
    expect(toast(page)).to_contain_text("The rules of SPLT go on: 1 threshold was divided by 4:1.")
    expect(rule(page, "high SPLT")).to_contain_text("SPLT above 125")
    held.filter(has_text="FELL").get_by_role("button", name="It was not").click()
    page.get_by_role("dialog").get_by_role("button", name="Keep as is").click()
    expect(held).to_have_count(0)
    expect(rule(page, "high FELL")).to_contain_text("FELL above 500")


def test_what_a_target_did_not_get_is_told_with_the_reason_and_sent_again(alerts_site: Site, page: Page) -> None:
    url = DatabaseUrl(alerts_site.environment["STOCKWIRE_ALERTS_URL"]).engine_url
    with opened(url) as engine, writing(engine) as connection:
        add_target(connection, Target(0, "phone", "http://127.0.0.1:9/a-secret"), utc_now())
        disable_target(connection, find_target(connection, "phone"), f"410 Gone {IMAGE}", utc_now())
    add(alerts_site, "tell", "TELL above 1", notify=["phone"])
    alerts_site.publish(price("TELL", "2", 5))
    eventually(lambda: call(alerts_site, "GET", "/v1/deliveries")["counts"]["given_up"])
    open_with_token(page, alerts_site)
    delivery = page.locator("table.deliveries tbody tr").filter(has_text="tell (TELL)")
    expect(delivery).to_contain_text(f"410 Gone {IMAGE}")
    expect(delivery.locator(".tag")).to_have_text("given up")
    delivery.get_by_role("button", name="Send again").click()
    expect(toast(page)).to_contain_text("Target phone is disabled")
    with opened(url) as engine, writing(engine) as connection:
        connection.execute(update(targets).values(disabled_reason=None))
    page.get_by_role("button", name="Send 1 alert again").click()
    expect(toast(page)).to_contain_text("1 alert is sent again within 2 seconds")
    page.locator("label").filter(has_text="Given up").click()
    expect(page.get_by_text("None of these")).to_be_visible()
    page.locator("label").filter(has_text="Pending").click()
    expect(delivery.locator(".tag")).to_have_text("pending")


def test_the_browser_tells_of_alerts_only_after_a_click(alerts_site: Site, page: Page) -> None:
    page.add_init_script("""
        window.told = [];
        window.asked = 0;
        window.Notification = class extends EventTarget {
          static permission = "default";
          static async requestPermission() {
            window.asked += 1;
            return (Notification.permission = "granted");
          }
          constructor(title, options) { super(); window.told.push([title, options.body]); }
          close() {}
        };
    """)
    add(alerts_site, HOSTILE, "* above 1000")
    open_with_token(page, alerts_site)
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    alerts_site.publish(price("LOUD", "1001", 5))
    expect(page.locator(".feed-item").filter(has_text="LOUD")).to_have_count(1)
    assert page.evaluate("[asked, told.length]") == [0, 0]
    page.get_by_role("button", name="Notify me here").click()
    expect(page.get_by_role("button", name="Notifications are on")).to_have_attribute("aria-pressed", "true")
    # On every view, and several alerts at once are told as one.
    page.get_by_role("link", name="Health").click()
    alerts_site.publish(price("TOLD", "1002", 5))
    eventually(lambda: page.evaluate("told.length === 1"))
    assert page.evaluate("told[0]")[0] == HOSTILE
    assert "TOLD at 1002" in page.evaluate("told[0]")[1]
    alerts_site.publish(*(price(f"MANY{n}", "1003", 5) for n in range(5)))
    eventually(lambda: page.evaluate("told.length === 2"))
    assert page.evaluate("told[1]")[0] == "5 alerts from Stockwire"
    page.get_by_role("link", name="Alerts").click()
    page.get_by_role("button", name="Notifications are on").click()
    expect(page.get_by_role("button", name="Notify me here")).to_be_visible()


def test_an_error_is_told_in_words_and_trying_again_mends_it(alerts_site: Site, page: Page) -> None:
    broken = re.compile("/v1/(alert-rules|alerts|deliveries|rescale)")
    document = '{"title": "Service Unavailable", "status": 503, "detail": "the database alerts.db is locked"}'
    page.route(broken, lambda route: route.fulfill(status=503, body=document, content_type="application/problem+json"))
    page.goto(alerts_site.url + "#/alerts")
    for words in ("The rules", "The alerts", "The deliveries"):
        failed = page.locator('.notice[data-kind="failed"]').filter(has_text=words)
        expect(failed).to_contain_text("The database alerts.db is locked")
    assert violations(page) == []
    page.unroute(broken)
    page.get_by_role("button", name="Try again").first.click()
    expect(page.get_by_text("No rules yet")).to_be_visible()
    expect(page.locator('.notice[data-kind="failed"]')).to_have_count(0)


def test_alerts_that_were_raised_while_the_server_was_away_are_shown_when_it_is_back(
    alerts_site: Site, page: Page
) -> None:
    add(alerts_site, "while away", "AWAY above 10")
    page.goto(alerts_site.url + "#/alerts")
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    assert alerts_site.server
    alerts_site.server.stop()
    expect(page.locator("#connection")).to_have_attribute("data-state", "reconnecting")
    alerts_site.publish(price("AWAY", "11", 5))
    # What is known stays.
    expect(rule(page, "while away").locator(".tag")).to_have_text("armed")
    alerts_site.start_server()
    page.get_by_role("button", name="Try now").click()
    expect(page.locator(".feed-item").filter(has_text="while away")).to_have_count(1)
    expect(rule(page, "while away").locator(".tag")).to_have_text("firing")


def test_many_rules_are_filtered_and_nothing_is_wider_than_a_phone(alerts_site: Site, page: Page) -> None:
    for number in range(30):
        add(alerts_site, f"rule {number} {'with a long name ' * 5}", f"AAPL crossing {300 + number}")
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(alerts_site.url + "#/alerts")
    expect(page.get_by_text("30 rules", exact=True)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.get_by_label("Filter rules").fill("rule 2")
    expect(page.get_by_text("11 of 30 rules")).to_be_visible()
    expect(page.locator("tbody[data-rule]:visible")).to_have_count(11)


def test_more_rules_are_shown_on_wish_and_stay_up_to_date(alerts_site: Site, page: Page) -> None:
    # The page reads 200 rules at a time; with a hundredth of that, four rules are two pages.
    page.route(
        re.compile(r"/v1/alert-rules\?limit=\d00$"),
        lambda route: route.continue_(url=route.request.url.removesuffix("00")),
    )
    for number in range(4):
        add(alerts_site, f"rule {number}", f"AAPL crossing {300 + number}")
    open_with_token(page, alerts_site)
    expect(page.get_by_text("2 rules and more")).to_be_visible()
    page.get_by_role("button", name="Show more rules").click()
    rule(page, "rule 3").get_by_role("button").first.click()
    rule(page, "rule 3").get_by_role("button", name="Disable").click()
    expect(rule(page, "rule 3").locator(".tag").first).to_have_text("disabled")
    rule(page, "rule 2").get_by_role("button").first.click()
    rule(page, "rule 2").get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(rule(page, "rule 2")).to_have_count(0)
    expect(page.get_by_text("3 rules", exact=True)).to_be_visible()
