"""Take the pictures of the hub that the documentation shows, from a fresh `make dev`.

python -m tests.clients.screenshots 'http://127.0.0.1:8000/#demo=…' docs/hub
"""

import asyncio
import re
import sys
from pathlib import Path

from playwright.async_api import Page, expect

from tests.clients.browser import Visitor, base_and_tokens, chromium, go

SCOPE = "workstations"
BROKEN = "broken-export"


async def start(page: Page, button: str) -> None:
    """Press a button that starts a run, and wait until it has ended."""
    runs = page.locator("tr[data-run]")
    newest = await runs.first.get_attribute("data-run")
    await page.get_by_role("button", name=button).click()
    await expect(runs.first).not_to_have_attribute("data-run", newest or "")
    await expect(runs.first).to_contain_text(re.compile("ucceeded|ailed"))


async def take(page: Page, folder: Path, name: str) -> None:
    """Take one picture, without transient messages."""
    toasts = page.get_by_role("button", name="Dismiss")
    await toasts.evaluate_all("buttons => buttons.forEach(button => button.click())")
    await expect(toasts).to_have_count(0)
    await page.mouse.move(0, 0)
    await page.screenshot(path=folder / f"{name}.png", animations="disabled")


async def main(address: str, folder: Path) -> None:
    """Work with the demo, and take a picture of each page."""
    base, tokens = await base_and_tokens(address)
    async with chromium() as browser, Visitor.comes(browser, base) as visitor:
        page = await visitor.open("/", *tokens)
        await go(page, "Inventory")
        for scope in (SCOPE, SCOPE, BROKEN):
            await start(page, f"Sync {scope}")
        await take(page, folder, "inventory")

        await go(page, "Drift")
        await start(page, f"Compare {SCOPE}")
        await page.get_by_role("link", name="Generate drift").first.click()
        await page.get_by_role("button", name=re.compile("^Modified .*Firewall")).click()
        await expect(page.get_by_role("figure").first).to_be_visible()
        await page.get_by_role("figure").last.scroll_into_view_if_needed()
        await take(page, folder, "drift")

        await go(page, "Operations")
        # At first the list shows its cached state.
        await expect(page.locator("tr[data-run]").first).to_contain_text("Generate drift")
        await expect(page.locator("tr[data-run]").nth(10)).to_be_visible()
        await take(page, folder, "operations")
        await page.get_by_role("row", name=BROKEN).first.get_by_role("link").click()
        await page.get_by_role(
            "button", name=re.compile("Several policies have the same id")
        ).click()
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
