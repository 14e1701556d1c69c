"""Three versions of the documentation in a browser, as the API serves them under its policy."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import ConsoleMessage, Page, expect

from opsrun.dev import docs_site
from opsrun.dev.docs_versions import publish
from tests.clients.browser import Visitor, chromium
from tests.nodejs import CHROMIUM
from tests.opsrun.api.test_serving import api
from tests.opsrun.conftest import Installation
from tests.opsrun.dev.test_docs_site import REFERENCE

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="needs chromium, as Debian's package of that name"
)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Versions that were not built in their order; the oldest has no page about Graph."""
    reference = tmp_path / "reference"
    reference.mkdir()
    (reference / "index.html").write_text(REFERENCE)
    monkeypatch.setattr(docs_site, "REFERENCE", reference)
    target = tmp_path / "site"
    for version in ("0.10.0", "0.9.0", "0.11.0rc1"):
        monkeypatch.setattr(docs_site, "version", lambda _, version=version: version)
        docs_site.build(target)
    sitemap = target / "0.9.0" / "sitemap.xml"
    entry = "<url><loc>https://docs.invalid/graph/</loc></url>"
    assert entry in sitemap.read_text()
    sitemap.write_text(sitemap.read_text().replace(entry, ""))
    publish(target)
    return target


@pytest.fixture
async def page(site: Path, installation: Installation) -> AsyncIterator[Page]:
    """The first page of the site; no page may break the policy or raise an error."""
    complaints = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and "favicon" not in message.location["url"]:
            complaints.append(message.text)

    async with (
        api(installation, DOCS_FOLDER=str(site)) as (_, base),
        chromium() as browser,
        Visitor.comes(browser, base) as visitor,
    ):
        visitor.context.on("console", note)
        yield await visitor.open("/docs/")
    assert complaints == []


async def choose(page: Page, version: str) -> None:
    """Choose a version on the page."""
    await page.get_by_role("button", name="Select version").focus()
    await page.get_by_role("link", name=version, exact=True).click()


async def test_readers_start_at_the_newest_release_and_can_choose_a_version(page: Page) -> None:
    await expect(page).to_have_url(re.compile("/docs/latest/$"))
    await expect(page.get_by_role("button", name="Select version")).to_have_text("0.10.0")
    versions = page.locator(".md-version__link")
    await expect(versions).to_have_text(["0.11.0rc1", "0.10.0", "0.9.0"])

    await choose(page, "0.9.0")
    await expect(page).to_have_url(re.compile("/docs/0.9.0/$"))
    # It was built before 0.11.0rc1.
    await expect(versions).to_have_text(["0.11.0rc1", "0.10.0", "0.9.0"])


async def test_a_reader_stays_on_the_page_if_the_version_has_it(page: Page) -> None:
    await page.get_by_role("link", name="Reading Microsoft Graph").first.click()
    await page.get_by_role("link", name="What is read").first.click()
    await choose(page, "0.11.0rc1")
    await expect(page).to_have_url(re.compile("/docs/0.11.0rc1/graph/#what-is-read$"))
    await choose(page, "0.9.0")
    await expect(page).to_have_url(re.compile("/docs/0.9.0/$"))


async def test_search_and_the_reference_work_under_the_policy(page: Page) -> None:
    await page.get_by_role("button", name="Search").click()
    await page.keyboard.type("Microsoft Graph")
    await expect(page.get_by_role("option").first).to_contain_text("Microsoft Graph")
    await page.keyboard.press("Escape")
    await page.get_by_role("link", name="API reference").click()
    # Its script sets the title.
    await expect(page).to_have_title("ready")
    await page.get_by_role("link", name="Using the API").click()
    await expect(page).to_have_url(re.compile("/docs/latest/api/$"))
