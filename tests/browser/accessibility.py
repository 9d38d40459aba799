"""The rules of WCAG 2.2 A and AA, and good practice, checked by axe-core in the page."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page: Page) -> list[str]:
    """Return each broken rule with the elements that break it, in both colour schemes."""
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        results = Axe().run(page, options={"runOnly": _RULES, "resultTypes": ["violations"]})
        for each in results.response["violations"]:
            elements = [f"{node['html'][:120]} ({node['failureSummary']})" for node in each["nodes"][:3]]
            found.append(f"{scheme}: {each['id']}: {each['help']}: {elements}")
    page.emulate_media(color_scheme="light")
    return found
