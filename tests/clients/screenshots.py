"""Take the pictures of the hub that the documentation shows, from a fresh `make dev`.

python -m tests.clients.screenshots 'http://127.0.0.1:8000/#token=…' docs/hub
"""

import asyncio
import re
import sys
from pathlib import Path

from playwright.async_api import Page, expect

from tests.clients.browser import Visitor, base_and_tokens, chromium, go

SCOPE = "workstations"
BROKEN = "broken-export"


async def ended(page: Page, runs: int) -> None:
    """Wait until so many runs of the page's table have ended."""
    states = re.compile("Succeeded|Partially succeeded|Failed")
    await expect(page.locator("tr[data-run]", has_text=states)).to_have_count(runs)


async def take(page: Page, folder: Path, name: str) -> None:
    """Take one picture, without what is only passing by."""
    toasts = page.get_by_role("button", name="Dismiss")
    await toasts.evaluate_all("buttons => buttons.forEach(button => button.click())")
    await expect(toasts).to_have_count(0)
    await page.mouse.move(0, 0)
    await page.screenshot(path=folder / f"{name}.png", animations="disabled")


async def main(address: str, folder: Path) -> None:
    """Work with the demo, and take a picture of each page."""
    base, tokens = base_and_tokens(address)
    async with chromium() as browser, Visitor.comes(browser, base) as visitor:
        page = await visitor.open("/", *tokens)
        await go(page, "Inventory")
        for number, scope in enumerate((SCOPE, SCOPE, BROKEN), start=1):
            await page.get_by_role("button", name=f"Sync {scope}").click()
            await ended(page, number)
        await take(page, folder, "inventory")

        await go(page, "Drift")
        await page.get_by_role("button", name=f"Compare {SCOPE}").click()
        await ended(page, 1)
        await page.get_by_role("link", name="Drift: generate").first.click()
        await page.get_by_role("button", name=re.compile("^Modified .*Firewall")).click()
        await expect(page.get_by_role("figure").first).to_be_visible()
        await page.get_by_role("figure").last.scroll_into_view_if_needed()
        await take(page, folder, "drift")

        await go(page, "Operations")
        await ended(page, 4)
        await take(page, folder, "operations")
        await page.get_by_role("row", name=BROKEN).get_by_role("link").click()
        await page.get_by_role("button", name=re.compile("Duplicate id")).click()
        await expect(page.get_by_role("table")).to_be_visible()
        await take(page, folder, "failures")
        path = page.url.removeprefix(base)

        async with Visitor.comes(browser, base, scheme="dark", width=390) as reader:
            phone = await reader.open(path, tokens[0])
            await expect(phone.get_by_role("heading", name="3 failures")).to_be_visible()
            await take(phone, folder, "phone")


if __name__ == "__main__":
    target = Path(sys.argv[2])
    target.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(sys.argv[1], target))
