"""GraphiQL in a browser that reaches nothing but a real installation."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Locator, Page, expect

import gql.transport
from domain.tenancy.roles import TenantRole
from tests.acts import export, policy
from tests.clients.browser import Visitor
from tests.clients.conftest import Product
from tests.clients.test_web_hub import browser
from tests.nodejs import CHROMIUM, needs_node
from tests.world import World

__all__ = ["browser"]

COMMITTED = Path(gql.transport.__file__).with_name("graphiql_files")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")


@pytest.fixture
async def page(browser: Browser, product: Product, place: World) -> AsyncIterator[Page]:
    """GraphiQL as an operator. Afterwards the console is empty, and only the API got requests."""
    messages: list[str] = []
    urls: list[str] = []
    async with Visitor.comes(browser, product.url) as visitor:
        visitor.context.on("console", lambda message: messages.append(message.text))
        visitor.context.on("request", lambda request: urls.append(request.url))
        visitor.context.on(
            "page",
            lambda page: page.on("websocket", lambda websocket: urls.append(websocket.url)),
        )
        page = await visitor.open("/graphiql/", place.token())
        await expect(editor(page)).to_contain_text("query Welcome")
        # The first document is longer than the window, and only the editor scrolls.
        assert await page.evaluate("document.documentElement.scrollHeight <= innerHeight")
        yield page
    assert messages == []
    assert {urlsplit(url).netloc for url in urls} == {urlsplit(product.url).netloc}


def editor(page: Page, name: str = "Operation Editor") -> Locator:
    return page.get_by_role("region", name=name)


async def select_all(page: Page, name: str = "Operation Editor") -> None:
    await editor(page, name).locator(".view-lines").filter(visible=True).click()
    await page.keyboard.press("Control+A")


async def write(page: Page, operation: str, document: str) -> None:
    """Paste a document over another, because the editor adds brackets to typed text."""
    await page.evaluate("text => navigator.clipboard.writeText(text)", document)
    await select_all(page)
    await page.keyboard.press("Control+V")
    # GraphiQL reads the document a moment later. Of several tabs, each can be closed.
    tab = page.get_by_role("tab", name=re.compile(f"^{operation}( Close Tab)?$"))
    await expect(tab).to_be_visible()


async def run(page: Page, operation: str, document: str) -> Locator:
    """Run an operation; return where its answers appear."""
    await write(page, operation, document)
    await page.keyboard.press("Control+Enter")
    return editor(page, "Result Window")


@needs_chromium
async def test_it_runs_a_query(page: Page, place: World) -> None:
    answer = await run(page, "Me", "query Me { viewer { name } }")
    await expect(answer).to_contain_text(f'"name": "{place.members[TenantRole.OPERATOR].name}"')


@needs_chromium
async def test_it_shows_the_events_of_a_subscription(
    page: Page, product: Product, place: World
) -> None:
    export(place, policy("a"))
    answer = await run(
        page,
        "Watch",
        f'subscription Watch {{ operationRuns(tenantId: "{place.global_id}")'
        " { __typename ... on OperationRunChanged { run { statusBucket } } } }",
    )
    await expect(answer).to_contain_text("FeedReset")
    await product.start_sync()
    await expect(answer).to_contain_text('"statusBucket": "SUCCEEDED"')


@needs_chromium
async def test_the_schema_completes_checks_and_explains_a_query(page: Page) -> None:
    await select_all(page)
    await page.keyboard.type("{ viewer { na")
    await expect(page.get_by_role("option", name=re.compile("^name"))).to_be_visible()
    await write(page, "Wrong", "query Wrong { viewer { nothing } }")
    await expect(editor(page).locator(".squiggly-error")).to_be_visible()
    await page.get_by_role("button", name="Show Documentation Explorer").click()
    await page.get_by_role("link", name="Query", exact=True).click()
    await expect(page.get_by_text("The caller and their memberships.")).to_be_visible()


@needs_chromium
async def test_it_formats_a_query_and_its_variables(page: Page) -> None:
    await write(page, "A", "# mine\nquery A($id: ID!) { node(id: $id) { id } }")
    await page.get_by_role("button", name="Variables").click()
    await select_all(page, "Variables")
    await page.keyboard.type('{"id":"x"')
    await page.get_by_role("button", name=re.compile("Prettify")).click()
    await expect(editor(page).get_by_role("textbox")).to_have_value(
        "# mine\nquery A($id: ID!) {\n  node(id: $id) {\n    id\n  }\n}\n"
    )
    variables = editor(page, "Variables").get_by_role("textbox")
    await expect(variables).to_have_value('{\n  "id": "x"\n}')


@needs_chromium
async def test_another_token_starts_afresh(page: Page, place: World) -> None:
    operator, owner = (place.members[role].name for role in (TenantRole.OPERATOR, TenantRole.OWNER))
    answer = await run(page, "Me", "query Me { viewer { name } }")
    await expect(answer).to_contain_text(operator)
    await page.get_by_label("Bearer token").fill(f"Bearer {place.token(TenantRole.OWNER)}")
    await page.get_by_role("button", name="Use token").click()
    await expect(page.locator("#who")).to_contain_text(f"Signed in as {owner}")
    await expect(answer).not_to_contain_text(operator)
    await run(page, "Again", "query Again { viewer { name } }")
    await expect(answer).to_contain_text(f'"name": "{owner}"')
    await page.get_by_role("button", name="Show History").click()
    await expect(page.get_by_role("region", name="History")).to_contain_text("Again")


@needs_chromium
async def test_after_signing_out_operations_are_refused(
    browser: Browser, product: Product, place: World
) -> None:
    async with Visitor.comes(browser, product.url, scheme="dark") as visitor:
        page = await visitor.open("/graphiql/", place.token())
        await expect(editor(page)).to_contain_text("query Welcome")
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.locator("#who")).to_contain_text("Not signed in")
        answer = await run(page, "Me", "query Me { viewer { name } }")
        await expect(answer).to_contain_text("UNAUTHENTICATED")


@needs_node
def test_the_committed_files_are_what_the_sources_build(graphiql_files: Path) -> None:
    committed, built = (
        {path.name: path.read_bytes() for path in folder.iterdir()}
        for folder in (COMMITTED, graphiql_files)
    )
    assert committed.keys() == built.keys()
    assert [name for name in built if built[name] != committed[name]] == []
