"""Measure the page: .venv/bin/python -m tests.browser.measure

500 symbols that all change every second, five years of daily candles, and what both cost on this machine.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page

from shared.messaging.messages import price_message
from shared.messaging.publisher import Publisher
from tests.browser.site import Site, daily_bars, price
from tests.browser.standalone import browser_and_site
from tests.polling import eventually

SYMBOLS = [f"S{number:03}" for number in range(500)]
YEARS = 5
SECONDS = 20

# Resolves to the milliseconds since the page was asked for, once all rows have a price.
ALL_ROWS = """count => new Promise(resolve => {
    const check = () => {
        const rows = document.querySelectorAll('tbody tr .price');
        if (rows.length === count && rows[count - 1].textContent !== '\\u2013') resolve(performance.now());
        else requestAnimationFrame(check);
    };
    check();
})"""
# Resolves to the milliseconds from the choice of five years to the drawn candles.
FIVE_YEARS = """() => new Promise(resolve => {
    const begin = performance.now();
    document.querySelector('input[value="5Y"]').click();
    const check = () => {
        const label = document.querySelector('.chart').getAttribute('aria-label');
        if (/^1,[1-9]\\d\\d candles/.test(label)) requestAnimationFrame(() => resolve(performance.now() - begin));
        else requestAnimationFrame(check);
    };
    check();
})"""


def main() -> None:
    with browser_and_site(",".join(SYMBOLS)) as (browser, running):
        fill(running)
        measure(browser, running)


def fill(running: Site) -> None:
    running.publish(*daily_bars("S000", [f"{100 + n / 32:g}" for n in range(365 * YEARS)]))
    for symbol in SYMBOLS:
        running.publish(*daily_bars(symbol, ["99"]), price(symbol, "100", 30))
    eventually(lambda: running.stored(SYMBOLS[-1], "100"), timeout=60)


def measure(browser: Browser, running: Site) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(running.url)
    page.evaluate(ALL_ROWS, len(SYMBOLS))
    page.reload()
    shown = page.evaluate(ALL_ROWS, len(SYMBOLS))
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
    print(f"first paint {painted:.0f} ms, all {len(SYMBOLS)} rows {shown:.0f} ms after the request")
    measure_updates(page, running)
    page.goto(f"{running.url}#/symbol/S000")
    page.wait_for_selector(".chart canvas")
    page.wait_for_timeout(1000)
    assert running.server
    server = Path(f"/proc/{running.server.pid}/stat")
    task_seconds = task_clock(page)
    tasks, cpu = task_seconds(), cpu_seconds(server)
    shown = page.evaluate(FIVE_YEARS)
    tasks, cpu = task_seconds() - tasks, cpu_seconds(server) - cpu
    parts = f"page {tasks * 1000:.0f} ms, server {cpu * 1000:.0f} ms of a core"
    print(f"{YEARS} years of daily candles: {shown:.0f} ms ({parts})")


def task_clock(page: Page) -> Callable[[], float]:
    """Return a function that returns the seconds that the page has computed so far."""
    metrics = page.context.new_cdp_session(page)
    metrics.send("Performance.enable")

    def task_seconds() -> float:
        found = metrics.send("Performance.getMetrics")["metrics"]
        return float(next(each["value"] for each in found if each["name"] == "TaskDuration"))

    return task_seconds


def measure_updates(page: Page, running: Site) -> None:
    assert running.server
    server = Path(f"/proc/{running.server.pid}/stat")
    task_seconds = task_clock(page)
    before, cpu_before, begin = task_seconds(), cpu_seconds(server), time.monotonic()
    with Publisher(running.broker, "measure") as publisher:
        for second in range(SECONDS):
            publisher.publish([price_message(price(symbol, f"{100 + second / 100:g}")) for symbol in SYMBOLS])
            time.sleep(max(0.0, begin + second + 1 - time.monotonic()))
    elapsed = time.monotonic() - begin
    page_share = (task_seconds() - before) / elapsed
    server_share = (cpu_seconds(server) - cpu_before) / elapsed
    rate = len(SYMBOLS) * SECONDS / elapsed
    print(
        f"{rate:.0f} prices/s: page {page_share:.0%} of a core (tasks), server {server_share:.0%} of a core (1 reader)"
    )


def cpu_seconds(stat: Path) -> float:
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
