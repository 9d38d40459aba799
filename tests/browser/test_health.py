"""The health view in a real browser: problems in words, every part, dead letters, and an answer that does not come."""

import re
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from playwright.sync_api import Page, expect

from shared.messaging.address import BrokerAddress
from shared.messaging.dead_letters import dead_letter
from tests.browser.accessibility import violations
from tests.browser.conftest import Snapshots
from tests.browser.site import TOKEN, Site
from tests.event_factories import NOW, delivery
from tests.polling import eventually
from tests.queues import waiting

QUEUE = "stockwire.history"
DEAD = "stockwire.history.dead"
# Text that would be HTML, and that would turn the letters after it.
HOSTILE = "<script>alert(1)</script>\u202egnorw"
SHOWN = "<script>alert(1)</script>\\u202egnorw"


def test_every_part_is_shown_and_problems_say_what_to_do(shared_site: Site, page: Page, snapshots: Snapshots) -> None:
    page.goto(shared_site.url + "#/health")
    problems = page.get_by_role("list", name="Problems").get_by_role("listitem")
    # The producer does not run.
    expect(problems).to_have_count(2)
    expect(problems.first).to_contain_text("Fault")
    expect(problems.first).to_contain_text("./stockwire up, or celery -A producer worker --beat")
    queue = page.get_by_role("row", name=re.compile(QUEUE))
    expect(queue.locator(".consumers")).to_have_text("1")
    expect(page.get_by_role("row", name=re.compile("^simulated"))).to_contain_text("not real prices")
    for title in ("Syncs", "Queues", "Providers", "Targets of alerts", "Databases", "Versions"):
        expect(page.get_by_role("region", name=title)).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("^history"))).to_contain_text("KiB")
    assert violations(page) == []
    snapshots(page, "health")
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_dead_letters_are_read_sent_back_and_dropped_and_their_text_is_only_text(
    shared_site: Site, page: Page, snapshots: Snapshots
) -> None:
    whole = delivery(HOSTILE.encode(), message_id=HOSTILE, headers={"trace": HOSTILE})
    shared_site.send(*(dead_letter(whole, QUEUE, HOSTILE, NOW) for _ in range(2)))
    eventually(lambda: waiting(shared_site.broker, DEAD) == 2)
    page.goto(shared_site.url + "#/health")
    page.get_by_role("button", name=f"Look into 2 dead letters of {QUEUE}").click()
    letters = page.locator(".letter")
    expect(letters).to_have_count(2)
    expect(letters.first.locator(".letter-reason")).to_have_text(SHOWN)
    letters.first.get_by_text("Message", exact=True).click()
    expect(letters.first.locator(".letter-body")).to_have_text(SHOWN)
    expect(letters.first.locator("dd").filter(has_text=SHOWN).first).to_be_visible()
    assert page.evaluate("document.body.innerText.includes('\u202e')") is False
    assert violations(page) == []
    snapshots(page, "dead-letters")
    # Without the token nothing is changed, and it is asked for once.
    page.get_by_role("button", name="Send back to the consumer").click()
    page.get_by_role("dialog").get_by_role("button", name="Send back").click()
    page.get_by_role("textbox", name="Token").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="The token is wrong")).to_be_visible()
    page.get_by_role("textbox", name="Token").fill(TOKEN)
    page.keyboard.press("Enter")
    expect(page.locator(".toast").last).to_contain_text(f"2 dead letters went back to {QUEUE}.")
    # The consumer rejects them again, now with its own reason.
    eventually(lambda: waiting(shared_site.broker, DEAD) == 2)
    expect(letters.first.locator(".letter-reason")).to_contain_text("not JSON", timeout=15_000)
    page.get_by_role("button", name="Drop").click()
    page.get_by_role("dialog").get_by_role("button", name="Drop").click()
    expect(page.locator(".toast").last).to_contain_text("2 dead letters dropped.")
    expect(page.get_by_text("No dead letters")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Look into"))).to_have_count(0)
    assert waiting(shared_site.broker, DEAD) == 0


def test_what_was_known_stays_while_the_server_is_away_and_the_view_recovers(shared_site: Site, page: Page) -> None:
    page.goto(shared_site.url + "#/health")
    expect(page.get_by_role("region", name="Queues")).to_be_visible()
    assert shared_site.server
    shared_site.server.stop()
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_role("alert")).to_contain_text("The health cannot be read now; below is what was known last")
    expect(page.get_by_role("region", name="Queues")).to_be_visible()
    shared_site.start_server()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_broker_that_is_away_is_told_with_the_databases_still_shown(
    module_broker: BrokerAddress, page: Page, tmp_path: Path
) -> None:
    with ExitStack() as parts:
        site = Site(tmp_path, replace(module_broker, port=1), "AAPL", parts)
        site.start_server()
        page.goto(site.url + "#/health")
        fault = page.get_by_role("list", name="Problems").get_by_role("listitem").first
        expect(fault).to_contain_text("RabbitMQ does not answer at")
        expect(page.get_by_role("region", name="Queues")).to_contain_text("away")
        expect(page.get_by_role("region", name="Syncs")).to_contain_text("It is not known if a worker runs")
        expect(page.get_by_role("row", name=re.compile("^history"))).to_be_visible()
