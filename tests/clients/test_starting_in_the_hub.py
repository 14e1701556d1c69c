"""The hub's page that starts runs of any type, also of another package, in a browser."""

import asyncio
import re
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from domain.tenancy.roles import TenantRole
from opsrun.dev.embedded import EmbeddedServers
from tests.acts import policy
from tests.clients import archive_export
from tests.clients.browser import Visitor, faults, go
from tests.clients.conftest import Product
from tests.clients.test_web_hub import (
    browser,
    fits,
    note_refusal,
    offer,
    page,
    pytestmark,
    rows,
    visitor,
)
from tests.opsrun.api.test_serving import api
from tests.opsrun.conftest import Installation
from tests.opsrun.test_processes import no_policy_can_be_stored
from tests.world import SCOPE, World

__all__ = ["browser", "page", "pytestmark", "visitor"]

START = "Start an operation"
EXPORT = "Export an archive"


def install(folder: Path, action: str) -> Path:
    """Install the run type `archive.<action>` in a folder."""
    shutil.copy(archive_export.__file__, folder)
    about = folder / f"archive_{action}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: archive-{action}\nVersion: 1.0\n"
    )
    (about / "entry_points.txt").write_text(
        f"[opsrun.producers]\narchive.{action} = archive_export:ARCHIVE_{action.upper()}\n"
    )
    return folder


@pytest.fixture(scope="session")
def other_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which another package is installed."""
    return install(tmp_path_factory.mktemp("packages"), "export")


@pytest.fixture(scope="module")
def api_settings(web_hub: Path, other_package: Path) -> Iterator[dict[str, str]]:
    """Have the API serve the hub, and all processes find the other package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(other_package))
        yield {"HUB_FOLDER": str(web_hub / "build")}


async def open_form(page: Page, title: str = EXPORT) -> None:
    """Open the form of a run type from the list of all types."""
    await go(page, START)
    await page.get_by_role("link", name=title, exact=True).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(title)


async def fill(page: Page, archive: str, *departments: str) -> None:
    """Fill in the parameters of an export."""
    await page.get_by_role("textbox", name="Archive", exact=True).fill(archive)
    await page.get_by_role("combobox", name="Format").click()
    await page.get_by_role("option", name="csv").click()
    group = page.get_by_role("group", name="Departments")
    for number, name in enumerate(departments):
        await group.get_by_role("button", name="Add").click()
        await group.get_by_role("textbox").nth(number).fill(name)


async def start(page: Page) -> None:
    await page.get_by_role("button", name="Start", exact=True).click()


async def test_a_run_type_of_another_package_looks_like_a_built_in_one(
    page: Page, place: World
) -> None:
    await go(page, START)
    row = page.get_by_role("row", name=EXPORT)
    await expect(row).to_contain_text("Writes an archive as files, one for each department.")
    await expect(row.get_by_role("cell")).to_have_text("Yes")
    await open_form(page)
    await fill(page, "usage", "sales", "empty hall")
    await start(page)
    status = page.get_by_role("region", name="Parameters").get_by_role("status")
    await expect(status).to_contain_text("Export an archive (usage) was started.")
    await expect(rows(page, "Partially succeeded")).to_contain_text("1 of 2 succeeded, 1 failed")
    toast = page.get_by_role("alert").filter(
        has_text="Export an archive (usage) partially succeeded"
    )
    await expect(toast).to_be_visible()

    await status.get_by_role("link", name="View run").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Export an archive (usage)")
    failure = page.get_by_role("button", name=re.compile("^1 The department has no members"))
    await expect(failure).to_contain_text("Add a member first.")
    link = page.get_by_role("link", name="The finished archive (opens in a new tab)")
    await expect(link).to_have_attribute("href", "https://archives.example/usage")
    await expect(link).to_have_attribute("target", "_blank")
    await expect(link).to_have_attribute("rel", "noopener noreferrer")

    await go(page, "Operations")
    await expect(rows(page)).to_contain_text(EXPORT)
    await page.get_by_role("combobox", name="Type").click()
    await page.get_by_role("option", name="Export an archive (1)").click()
    await expect(page).to_have_url(re.compile(r"\?type=archive\.export$"))
    await page.get_by_role("button", name=re.compile("^Notifications")).click()
    bell = page.get_by_role("dialog", name="Notifications")
    await expect(bell).to_contain_text("Export an archive (usage) partially succeeded")


async def test_parameters_are_stored_as_the_form_shows_them(page: Page) -> None:
    await open_form(page)
    await fill(page, "usage", "sales")
    await page.get_by_label("Since").fill("2026-11-01")
    await page.get_by_label("Mark draft").check()
    sizes = page.get_by_role("group", name="Sizes", exact=True)
    await sizes.get_by_role("button", name="Add").click()
    for number, length in enumerate(("30", "40")):
        await sizes.get_by_role("textbox").nth(number).fill(length)
    await page.get_by_role("combobox", name="Recipient").click()
    await page.get_by_role("option", name="Text").click()
    await page.get_by_role("textbox", name="Text", exact=True).fill("Ada")
    await start(page)
    await page.get_by_role("region", name="Parameters").get_by_role("link").click()
    await page.get_by_text("Parameters").click()
    stored = await page.locator("details pre").inner_text()
    assert re.sub(r"\s", "", stored) == (
        '{"pages":3,"since":"2026-11-01","sizes":[[30,40]],"format":"csv","archive":"usage",'
        '"markDraft":true,"recipient":"Ada","departments":["sales"]}'
    )


async def test_what_the_api_refuses_is_shown_at_the_fields(page: Page) -> None:
    await open_form(page)
    await fill(page, "ab", "sales")
    await start(page)
    refusal = "String should have at least 3 characters"
    archive = page.get_by_role("textbox", name="Archive", exact=True)
    await expect(page.get_by_role("alert")).to_contain_text(f"Archive: {refusal}")
    await expect(archive).to_have_attribute("aria-invalid", "true")
    await expect(archive).to_have_accessible_description(re.compile(refusal))
    await expect(rows(page)).to_have_count(0)
    await archive.fill("abc")
    await start(page)
    await expect(rows(page, "Succeeded")).to_have_count(1)
    await expect(page.get_by_role("alert").filter(has_text=refusal)).to_have_count(0)
    await expect(archive).not_to_have_attribute("aria-invalid", "true")


async def test_a_built_in_type_starts_with_a_form_too(
    page: Page, place: World, servers: EmbeddedServers
) -> None:
    await offer(place, policy("a"))
    await open_form(page, "Sync an inventory")
    scope = page.get_by_label("Scope key")
    await scope.fill("nowhere")
    await start(page)
    await expect(scope).to_have_accessible_description(re.compile("Unknown scope 'nowhere'"))
    await scope.fill(SCOPE)
    status = page.get_by_role("region", name="Parameters").get_by_role("status")
    async with no_policy_can_be_stored(servers):
        await start(page)
        await expect(status).to_contain_text(f"Sync an inventory ({SCOPE}) was started.")
        await expect(rows(page, "Running")).to_have_count(1)
        await start(page)
        await expect(status).to_contain_text("is already under way.")
        await expect(rows(page)).to_have_count(1)
    await expect(rows(page, "Succeeded")).to_contain_text("1 of 1")


async def test_a_run_that_no_worker_knows_says_why_it_waits(
    browser: Browser,
    installation: Installation,
    product: Product,
    api_settings: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(install(tmp_path, "shred")))
    place = product.place
    async with (
        api(installation, **api_settings) as (_, url),
        Visitor.comes(browser, url) as visitor,
    ):
        page = await visitor.open("/", place.token())
        await open_form(page, "Shred an archive")
        note = page.get_by_role("status").filter(has_text="No running worker knows this operation")
        await expect(note).to_be_visible()
        await fill(page, "old", "sales")
        await start(page)
        await page.get_by_role("link", name="View run").first.click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Shred an archive (old)")
        reason = "No worker that knows `archive.shred` is running."
        await expect(page.get_by_text(reason)).to_be_visible()


async def test_a_reader_sees_why_it_cannot_start_anything(visitor: Visitor, place: World) -> None:
    reader = await visitor.open("/", place.token(TenantRole.READONLY))
    await go(reader, START)
    await expect(reader.get_by_role("row", name=EXPORT)).to_contain_text("Your role READONLY")
    await reader.get_by_role("link", name=EXPORT).click()
    await expect(reader.get_by_role("alert")).to_contain_text("Your role READONLY may not do")
    await expect(reader.get_by_role("main").get_by_role("button")).to_have_count(0)


async def test_an_unknown_run_type_leads_back_to_the_list(page: Page, place: World) -> None:
    await expect(page.get_by_text("Nothing ran")).to_be_visible()
    await page.goto(f"{page.url.removesuffix('/operations')}/start/archive.shred")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Operation not found")
    await page.get_by_role("link", name="All operations to start").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(START)


async def test_a_failed_load_can_be_tried_again(page: Page) -> None:
    await expect(page.get_by_text("Nothing ran")).to_be_visible()
    await page.route("**/graphql", lambda route: route.abort())
    await page.get_by_role("link", name=START).click()
    await expect(page.get_by_role("alert")).to_contain_text("Opsrun does not answer")
    await page.unroute("**/graphql")
    await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_role("row", name=EXPORT)).to_be_visible()


async def test_an_operation_is_started_with_the_keyboard_alone(page: Page, place: World) -> None:
    await offer(place, policy("a"))
    await open_form(page, "Sync an inventory")
    await expect(page.get_by_role("heading", level=1)).to_be_focused()
    scope = page.get_by_label("Scope key")
    await expect(scope).to_be_visible()
    await page.keyboard.press("Tab")
    await expect(scope).to_be_focused()
    await page.keyboard.type(SCOPE)
    await page.keyboard.press("Tab")
    await page.keyboard.press("Space")
    await expect(page.get_by_label("Allow empty")).to_be_checked()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(rows(page, "Succeeded")).to_have_count(1)


async def test_only_the_form_loads_its_library_and_the_policy_allows_it(
    visitor: Visitor, page: Page
) -> None:
    refused: list[str] = []
    page.on("console", partial(note_refusal, refused))
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url))
    await page.reload()
    await expect(page.get_by_text("Nothing ran")).to_be_visible()
    await go(page, START)
    assert not any("StartRunPage" in url for url in loaded)
    await open_form(page)
    await fill(page, "usage", "sales")
    await page.get_by_role("combobox", name="Recipient").click()
    await page.get_by_role("option", name="Text").click()
    await start(page)
    await expect(rows(page, "Succeeded")).to_have_count(1)
    assert any("StartRunPage" in url for url in loaded)
    assert refused == []


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)], ids=str
)
async def test_axe_reports_no_serious_problem_and_nothing_is_too_wide(
    browser: Browser, product: Product, place: World, web_hub: Path, scheme: str, width: int
) -> None:
    axe = await asyncio.to_thread((web_hub / "node_modules/axe-core/axe.min.js").read_text)
    looks = {"scheme": scheme, "width": width}
    async with Visitor.comes(browser, product.url, **looks) as visitor:  # type: ignore[arg-type]
        page = await visitor.open(f"/t/{place.slug}/start", place.token())
        await expect(page.get_by_role("row", name=EXPORT)).to_be_visible()
        assert await faults(page, axe) == []
        await fits(page)
        await page.get_by_role("link", name=EXPORT).click()
        await fill(page, "ab", "x" * 150, "empty hall")
        sizes = page.get_by_role("group", name="Sizes", exact=True)
        await sizes.get_by_role("button", name="Add").click()
        for number in range(2):
            await sizes.get_by_role("textbox").nth(number).fill("7")
        await start(page)
        await expect(page.get_by_role("alert")).to_contain_text("Archive: ")
        assert await faults(page, axe) == []
        await fits(page)
        await page.get_by_role("textbox", name="Archive", exact=True).fill("y" * 150)
        await start(page)
        await page.get_by_role("region", name="Parameters").get_by_role("link").click()
        await expect(page.get_by_role("link", name="The finished archive")).to_be_visible()
        assert await faults(page, axe) == []
        await fits(page)
