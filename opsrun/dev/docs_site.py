"""Builds the documentation's site from a checkout, with search and `llms.txt`.

python -m opsrun.dev.docs_site build/site

Each version has its folder, beside those that are there already, and a selector on its pages. The
pages request nothing from other hosts, and have no scripts in them, so they work under a strict
content security policy.
"""

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import yaml  # type: ignore[import-untyped]

from opsrun.dev.docs_versions import LATEST, publish
from opsrun.errors import OperatorError

CHECKOUT = Path(__file__).parents[2]
DOCS = CHECKOUT / "docs"
REFERENCE = CHECKOUT / "build" / "reference"
NAME = "Opsrun"
SECTIONS: Mapping[str, Sequence[str]] = {
    "Start": ["index.md", "demo.md"],
    "Use the API": ["api.md", "limits.md", "federation.md"],
    "Run your own operations": ["producers.md"],
    "Read policies": ["exports.md", "graph.md"],
    "Operate": [
        *("deployment.md", "operations.md", "settings.md", "connections.md", "monitoring.md"),
        *("troubleshooting.md", "faults.md", "scale.md", "security.md"),
    ],
    "How it works": ["architecture.md", "performance.md", "contributing.md"],
    "Releases": ["changelog.md", "reporting.md"],
}
"""The pages by reader; decisions and the API's reference are added."""
# Pages outside of docs/, and their names on the site.
ELSEWHERE = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "reporting.md",
}
_LINK = re.compile(r"\[([^\]]+)\]\(([^)\s#]*)(#[^)\s]*)?\)")
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


class DocsError(OperatorError):
    """The site cannot be built; the message says what to correct."""


def pages() -> Mapping[str, Path]:
    """Return the file of each page by its name on the site."""
    here = {path.relative_to(DOCS).as_posix(): path for path in sorted(DOCS.rglob("*.md"))}
    return here | {name: CHECKOUT / file for file, name in ELSEWHERE.items()}


def sections() -> Mapping[str, Sequence[str]]:
    """Return all pages by section.

    Raises:
        DocsError: a page is in no section, or a section has a page that does not exist.
    """
    decisions = [name for name in pages() if name.startswith("adr/")]
    listed = {**SECTIONS, "Decisions": decisions}
    names = [name for some in listed.values() for name in some]
    if wrong := sorted({*names} ^ pages().keys()):
        raise DocsError(
            f"In no section of {Path(__file__).name}, or not a page: {', '.join(wrong)}."
        )
    return listed


def title_of(text: str) -> str:
    """Return a page's first heading."""
    return text.partition("\n")[0].lstrip("# ").strip()


def on_the_site(name: str, text: str) -> str:
    """Return a page's text with links between pages; a link to code becomes its text."""
    here = pages()
    source = here[name].parent
    names = {file.resolve(): page for page, file in here.items()}

    def link(match: re.Match[str]) -> str:
        label, target, anchor = match[1], match[2], match[3] or ""
        if not target or "://" in target:
            return match[0]
        path = (source / target).resolve()
        if path in names:
            up = "../" * name.count("/")
            return f"[{label}]({up}{names[path]}{anchor})"
        if path.is_relative_to(DOCS) and path.is_file():
            return f"[{label}]({target})"
        return label

    return _LINK.sub(link, text)


def has_reference() -> bool:
    """Return whether `make reference` has written the API's reference."""
    return (REFERENCE / "index.html").is_file()


def build(target: Path) -> Path:
    """Build this version's site below `target`, and return its folder.

    Raises:
        DocsError: zensical is not installed, or refuses the pages.
    """
    release = version("opsrun")
    source = target / ".source"
    shutil.rmtree(source, ignore_errors=True)
    texts = {name: on_the_site(name, file.read_text()) for name, file in pages().items()}
    for name, text in texts.items():
        page = source / "docs" / name
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text)
    for path in DOCS.rglob("*"):
        if path.is_file() and path.suffix != ".md":
            copy = source / "docs" / path.relative_to(DOCS)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    (source / "mkdocs.yml").write_text(yaml.safe_dump(_configuration(texts), sort_keys=False))
    _zensical(source)
    built = source / "site"
    # No server asks for it here: the page for a missing address lies in the root of a site.
    (built / "404.html").unlink()
    if has_reference():
        _copy_reference(built / "reference")
    _move_scripts(built)
    _write_sitemap(built, texts)
    _write_for_models(built, texts)
    shutil.rmtree(target / release, ignore_errors=True)
    shutil.move(built, target / release)
    shutil.rmtree(source)
    publish(target)
    return target / release


def _configuration(texts: Mapping[str, str]) -> Mapping[str, object]:
    menu: list[object] = [
        {section: [{title_of(texts[name]): name} for name in names]}
        for section, names in sections().items()
    ]
    if has_reference():
        menu.append({"API reference": "reference/index.html"})
    return {
        "site_name": NAME,
        "nav": menu,
        "theme": {
            "language": "en",
            # Fonts would come from another host.
            "font": False,
            "features": [
                "navigation.sections",
                "navigation.top",
                "search.highlight",
                "content.code.copy",
            ],
            "palette": [
                {"media": "(prefers-color-scheme: light)", "scheme": "default"},
                {"media": "(prefers-color-scheme: dark)", "scheme": "slate"},
            ],
        },
        # The selector of the theme; it reads what docs_versions writes.
        "extra": {"version": {"provider": "mike", "default": LATEST}},
        "markdown_extensions": [
            "admonition",
            "attr_list",
            "tables",
            {"toc": {"permalink": True}},
            "pymdownx.highlight",
            "pymdownx.superfences",
        ],
    }


def _zensical(source: Path) -> None:
    program = Path(sys.executable).with_name("zensical")
    if not program.exists():
        raise DocsError("zensical is not installed: run `make docs`.")
    done = subprocess.run(  # noqa: S603 - an installed program
        [program, "build", "--clean", "--strict"],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise DocsError(f"zensical refused the pages:\n{done.stdout}{done.stderr}")


def _copy_reference(folder: Path) -> None:
    """Copy the API's reference, whose introduction names a page that is beside it here."""
    text = (REFERENCE / "index.html").read_text()
    folder.mkdir()
    (folder / "index.html").write_text(
        text.replace("<code>docs/api.md</code>", '<a href="../api/">Using the API</a>')
    )


def _move_scripts(built: Path) -> None:
    """Move the scripts in pages into files."""
    for page in built.rglob("*.html"):
        up = "../" * (len(page.relative_to(built).parts) - 1)

        def file_of(match: re.Match[str], up: str = up) -> str:
            digest = hashlib.sha256(match[1].encode()).hexdigest()[:16]
            (built / "assets" / f"page-{digest}.js").write_text(match[1])
            return f'<script src="{up}assets/page-{digest}.js"></script>'

        page.write_text(_SCRIPT.sub(file_of, page.read_text()))


def _write_sitemap(built: Path, names: Iterable[str]) -> None:
    """Write the list of pages by which the selector finds the same page in this version.

    A sitemap must name a host, which is not known here. The theme replaces it.
    """
    urls = "".join(f"<url><loc>https://docs.invalid/{_address(name)}</loc></url>" for name in names)
    (built / "sitemap.xml").write_text(
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>\n'
    )


def _write_for_models(built: Path, texts: Mapping[str, str]) -> None:
    """Write `llms.txt`, the pages with their first sentences, and `llms-full.txt`, all text."""
    (built / "llms.txt").write_text("\n".join(_contents(texts)) + "\n")
    ordered = [texts[name] for names in sections().values() for name in names]
    (built / "llms-full.txt").write_text("\n\n".join(ordered))


def _contents(texts: Mapping[str, str]) -> Iterator[str]:
    yield f"# {NAME}"
    for section, names in sections().items():
        yield f"\n## {section}\n"
        for name in names:
            paragraphs = texts[name].split("\n\n")[1:]
            first = next((one for one in paragraphs if one[:1].isalnum()), "")
            sentence = re.split(r"(?<=\.)\s", " ".join(first.split()), maxsplit=1)[0]
            yield f"- [{title_of(texts[name])}](./{_address(name)}): {sentence}"


def _address(name: str) -> str:
    return "" if name == "index.md" else f"{name.removesuffix('.md')}/"


def main(target: Path) -> None:
    """Build the site below `target`, and say where it is and what it lacks."""
    if not has_reference():
        print("The site lacks the API's reference, which `make reference` writes.")  # noqa: T201
    print(f"The site is in {build(target)}.")  # noqa: T201


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]).resolve())
    except DocsError as error:
        raise SystemExit(str(error)) from None
