"""Users of the hub in Debian's Chromium."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

import httpx
from playwright.async_api import Browser, BrowserContext, Page, Request, async_playwright, expect

from tests.nodejs import CHROMIUM

PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)

# Features that test machines lack or tests do not need.
_ARGUMENTS = (
    # The pages need nothing from elsewhere.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run the system's Chromium instead of Playwright's."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


@dataclass(slots=True)
class Visitor:
    """A user with a separate browser, and the errors of its pages."""

    context: BrowserContext
    base: str
    queries: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def comes(
        cls,
        browser: Browser,
        base: str,
        *,
        scheme: Literal["light", "dark"] = "light",
        width: int = 1280,
    ) -> AsyncIterator["Visitor"]:
        """Open a window; at the end check that none of its pages raised an error."""
        async with await browser.new_context(
            viewport={"width": width, "height": 800},
            color_scheme=scheme,
            reduced_motion="reduce",
            permissions=["clipboard-read", "clipboard-write"],
        ) as context:
            context.set_default_timeout(PATIENCE_MS)
            visitor = cls(context, base)
            context.on("request", lambda request: visitor._note(request))
            context.on("weberror", lambda error: visitor.errors.append(str(error.error)))
            yield visitor
            assert visitor.errors == []

    def _note(self, request: Request) -> None:
        if request.url.endswith("/graphql") and request.method == "POST":
            body = request.post_data_json
            self.queries.append(body["operationName"] if isinstance(body, dict) else "?")

    async def open(self, path: str = "/", *tokens: str) -> Page:
        """Open a page, with tokens as `make dev` prints them."""
        page = await self.context.new_page()
        fragment = "&".join(f"token={token}" for token in tokens)
        await page.goto(f"{self.base}{path}#{fragment}")
        return page


async def base_and_tokens(address: str) -> tuple[str, list[str]]:
    """Sign in at the hub's address, as `make dev` prints it; return the base and all tokens."""
    base, _, code = address.partition("/#demo=")
    async with httpx.AsyncClient(base_url=base, trust_env=False) as http:
        answer = await http.post("/demo/sign-in", headers={"Authorization": f"Demo {code}"})
    return base, answer.raise_for_status().json()["tokens"]


async def go(page: Page, name: str) -> None:
    """Follow a link of the navigation."""
    await page.get_by_role("navigation").get_by_role("link", name=name, exact=True).click()
    await expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()


async def faults(page: Page, axe: str) -> list[str]:
    """Return the serious and critical accessibility problems that axe reports for the page."""
    await page.evaluate(axe)
    report = await page.evaluate("axe.run(document)")
    assert len(report["passes"]) > 10, "axe did not look at the page"
    return [
        f"{fault['impact']}: {fault['help']}: {node['html']}"
        for fault in report["violations"]
        if fault["impact"] in {"serious", "critical"}
        for node in fault["nodes"]
    ]
