"""The documentation's site has every page, its links lead somewhere, and it needs no other host."""

import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from opsrun.dev import docs_site
from opsrun.dev.docs_site import CHECKOUT, DocsError, pages, sections
from tests.client import open_http
from tests.opsrun.api.test_serving import api
from tests.opsrun.conftest import Installation

_MARKDOWN_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_CODE = re.compile(r"```.*?```", re.DOTALL)
# Of elements that the browser loads.
_LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src"}
# As `make reference` writes it: one file with its script, and the name of a page.
REFERENCE = """<!doctype html>
<html><head><title>Opsrun API</title><script>document.title = "ready"</script></head>
<body><p>For more, see <code>docs/api.md</code>.</p></body></html>
"""


class Page(HTMLParser):
    """What a built page links to, loads, and can be linked to."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.inline_scripts = 0
        self.feed(file.read_text())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in _LOADED and _LOADED[tag] in values:
            self.loads.append(values[_LOADED[tag]])
        is_data = values.get("type") == "application/json"
        self.inline_scripts += tag == "script" and "src" not in values and not is_data


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The site with an API reference."""
    reference = tmp_path_factory.mktemp("reference")
    (reference / "index.html").write_text(REFERENCE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(docs_site, "REFERENCE", reference)
        yield docs_site.build(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def built(site: Path) -> Mapping[Path, Page]:
    return {file: Page(file) for file in site.rglob("*.html")}


def test_it_has_every_page(site: Path) -> None:
    for name in pages():
        folder = site if name == "index.md" else site / name.removesuffix(".md")
        assert (folder / "index.html").is_file(), name
    assert (site / "search.json").stat().st_size > 100_000


def resolved(file: Path, link: str) -> Path:
    path = unquote(urlsplit(link).path)
    target = (file.parent / path).resolve() if path else file
    return target / "index.html" if target.is_dir() else target


def test_every_link_leads_to_a_page_and_its_anchor(site: Path, built: Mapping[Path, Page]) -> None:
    broken = []
    for file, page in built.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = resolved(file, link)
            if not target.is_file() or (
                parts.fragment
                and target in built
                and unquote(parts.fragment) not in built[target].anchors
            ):
                broken.append(f"{file.relative_to(site)}: {link}")
    assert broken == []


def test_it_loads_nothing_from_other_hosts_and_has_no_inline_script(
    site: Path, built: Mapping[Path, Page]
) -> None:
    for file, page in built.items():
        assert page.inline_scripts == 0, file
        for loaded in page.loads:
            assert not urlsplit(loaded).netloc, (file, loaded)
            assert resolved(file, loaded).is_file(), (file, loaded)


def test_programs_get_the_pages_as_text(site: Path) -> None:
    contents = (site / "llms.txt").read_text()
    assert contents.startswith("# Opsrun\n")
    assert len(re.findall(r"^- \[", contents, re.MULTILINE)) == len(pages())
    everything = (site / "llms-full.txt").read_text()
    for name, file in pages().items():
        assert docs_site.title_of(file.read_text()) in everything, name


def test_the_menu_leads_to_the_reference_and_the_reference_back(
    site: Path, built: Mapping[Path, Page]
) -> None:
    reference = site / "reference" / "index.html"
    for file, page in built.items():
        if file != reference:
            assert reference in [resolved(file, link) for link in page.links], file
    assert [resolved(reference, link) for link in built[reference].links] == [
        site / "api" / "index.html"
    ]


def test_it_says_that_the_reference_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(docs_site, "REFERENCE", tmp_path / "none")
    docs_site.main(tmp_path)
    assert "lacks the API's reference, which `make reference` writes" in capsys.readouterr().out
    assert "API reference" not in (tmp_path / "latest" / "index.html").read_text()


def test_a_page_in_no_section_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = {name: list(some) for name, some in docs_site.SECTIONS.items()}
    lacking["Operate"].remove("faults.md")
    monkeypatch.setattr(docs_site, "SECTIONS", lacking)
    with pytest.raises(DocsError, match=r"faults\.md"):
        sections()


def anchors_on_github(text: str) -> Iterator[str]:
    for heading in _HEADING.findall(_CODE.sub("", text)):
        plain = re.sub(r"[^\w\- ]", "", heading.strip().lower())
        yield plain.replace(" ", "-")


def test_every_link_works_on_github() -> None:
    broken = []
    for file in [*pages().values(), CHECKOUT / "README.md"]:
        for link in _MARKDOWN_LINK.findall(_CODE.sub("", file.read_text())):
            path, _, anchor = link.partition("#")
            if "://" in path:
                continue
            target = (file.parent / path).resolve() if path else file
            is_right = target.exists() and (
                not anchor
                or target.suffix != ".md"
                or anchor in anchors_on_github(target.read_text())
            )
            if not is_right:
                broken.append(f"{file.relative_to(CHECKOUT)}: {link}")
    assert broken == []


async def test_the_api_serves_it_if_the_operator_says_where_it_is(
    site: Path, installation: Installation
) -> None:
    path = f"/docs/{site.name}/graph/"
    served = api(installation, DOCS_FOLDER=str(site.parent))
    async with served as (_, url), open_http(url) as http:
        page = await http.get(path)
        assert page.status_code == 200
        assert "Reading Microsoft Graph" in page.text
        assert "default-src 'self'" in page.headers["Content-Security-Policy"]
        assert (await http.get("/docs/")).status_code == 200
        assert (await http.get("/docs/no-such-page")).status_code == 404
    async with api(installation) as (_, url), open_http(url) as http:
        assert "Reading Microsoft Graph" not in (await http.get(path)).text
