"""The hub is built when necessary; a failure is reported, and no process is left over."""

import asyncio
from pathlib import Path

import pytest

from opsrun.api import hub
from opsrun.dev import hub_build
from opsrun.dev.hub import DevHub
from opsrun.settings import Settings
from tests.opsrun.checkouts import FAILS, LASTS, Checkout
from tests.opsrun.dev.embedded.observing import Started, all_gone, named, until

INSTALL, BUILD = "ci --no-audit --no-fund", "run build"
ANNOUNCED = "Building the hub; this happens once, and after its sources change ...\n"
DONE = "The hub is built; its address now shows it.\n"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    made = Checkout.made(tmp_path)
    monkeypatch.setattr(hub_build, "SOURCES", made.hub)
    monkeypatch.setattr(hub_build, "BUILD", made.build)
    monkeypatch.setattr(hub, "FILES", made.build)
    monkeypatch.setenv("PATH", str(made.programs))
    return made


class Terminal:
    """Build the hub as `opsrun dev` does; return the output."""

    def __init__(self, folder: Path, printed: pytest.CaptureFixture[str]) -> None:
        self.log = folder / "hub.log"
        self._data_folder = folder / ".opsrun"
        self._printed = printed

    def begin(self) -> DevHub:
        return DevHub(Settings.model_validate({"hub_folder": None}), self._data_folder)

    async def __call__(self) -> str:
        await self.begin().build(self.log)
        return self._printed.readouterr().out


@pytest.fixture
def build(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(checkout.folder, capsys)


async def test_it_is_built_once(checkout: Checkout, build: Terminal) -> None:
    assert await build() == ANNOUNCED + DONE
    assert (checkout.build / "index.html").read_text() == "the hub\n"
    assert await build() == ""
    assert checkout.calls() == [INSTALL, BUILD]


@pytest.mark.parametrize(
    ("changed", "calls"),
    [
        ("client-examples/web-hub/src/main.tsx", [BUILD]),
        ("client-examples/web-hub/src/new.tsx", [BUILD]),
        ("client-examples/web-hub/index.html", [BUILD]),
        ("schema.graphql", [BUILD]),
        ("client-examples/web-hub/package-lock.json", [INSTALL, BUILD]),
        ("client-examples/web-hub/node_modules/.cache", []),
        ("client-examples/README.md", []),
    ],
)
async def test_it_is_built_again_when_its_sources_have_changed(
    checkout: Checkout, build: Terminal, changed: str, calls: list[str]
) -> None:
    await build()
    checkout.change(changed)
    assert await build() == (ANNOUNCED + DONE if calls else "")
    assert checkout.calls() == [INSTALL, BUILD, *calls]


async def test_it_is_built_again_without_a_source_that_is_gone(
    checkout: Checkout, build: Terminal
) -> None:
    await build()
    (checkout.hub / "src" / "main.tsx").unlink()
    checkout.change("client-examples/web-hub/src")
    assert await build() == ANNOUNCED + DONE


async def test_a_hub_without_our_marker_is_rebuilt(checkout: Checkout, build: Terminal) -> None:
    checkout.build.mkdir()
    (checkout.build / "index.html").write_text("half a hub")
    assert await build() == ANNOUNCED + DONE
    assert (checkout.build / "index.html").read_text() == "the hub\n"


async def test_a_failure_is_reported_with_the_end_of_its_log(
    checkout: Checkout, build: Terminal
) -> None:
    checkout.has_npm(then=FAILS)
    assert await build() == (
        f"{ANNOUNCED}The hub is not built; everything else works: npm run build ended with code 3."
        f" The end of its log {build.log}:\nsrc/main.tsx: no such component\n"
    )
    assert not checkout.build.exists()
    checkout.has_npm()
    assert await build() == ANNOUNCED + DONE
    assert checkout.calls() == [INSTALL, BUILD, BUILD]


@pytest.mark.parametrize("missing", ["node", "npm"])
async def test_without_node_the_message_says_what_is_needed(
    checkout: Checkout, build: Terminal, missing: str
) -> None:
    (checkout.programs / missing).unlink()
    assert await build() == (
        "The hub is not built: it needs Node 20.19 or newer, with npm. Everything else works.\n"
    )
    assert checkout.calls() == []


@pytest.mark.parametrize(
    ("version", "node"), [("v20.18.3", "v20.18.3"), ("v8.17.0", "v8.17.0"), ("", "one that fails")]
)
async def test_an_old_node_is_reported_with_its_version(
    checkout: Checkout, build: Terminal, version: str, node: str
) -> None:
    checkout.has_node(version)
    assert await build() == (
        f"The hub is not built: it needs Node 20.19 or newer, not {node}. Everything else works.\n"
    )
    assert checkout.calls() == []


@pytest.mark.parametrize("version", ["v22.12.0", "v100.0.0"])
async def test_a_newer_node_is_accepted(checkout: Checkout, build: Terminal, version: str) -> None:
    checkout.has_node(version)
    assert await build() == ANNOUNCED + DONE


async def test_without_node_a_built_hub_is_kept(checkout: Checkout, build: Terminal) -> None:
    await build()
    (checkout.programs / "node").unlink()
    assert await build() == ""
    checkout.change("schema.graphql")
    assert (await build()).startswith("The hub is not built: ")
    assert (checkout.build / "index.html").exists()


async def test_without_sources_nothing_is_printed(checkout: Checkout, build: Terminal) -> None:
    (checkout.hub / "package-lock.json").unlink()
    assert await build() == ""
    assert checkout.calls() == []


async def test_a_cancelled_build_leaves_no_process_and_no_incomplete_hub(
    checkout: Checkout, build: Terminal
) -> None:
    started = Started()
    checkout.has_npm(then=LASTS)
    building = asyncio.create_task(build())
    await until(lambda: named("sleep", started()) is not None)
    everything = started()
    assert len(everything) >= 3
    assert (checkout.build / "index.html").exists()

    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building

    await until(lambda: all_gone(everything))
    assert not checkout.build.exists()


async def test_its_page_shows_the_build_and_then_the_hub(
    checkout: Checkout, build: Terminal
) -> None:
    begun = build.begin()
    assert begun.folder is not None
    page = (begun.folder / "index.html").read_text()
    assert "The hub is being built" in page
    assert 'src="/waiting.js"' in page
    assert "location.reload()" in (begun.folder / "waiting.js").read_text()
    await begun.build(build.log)
    assert (begun.folder / "index.html").read_text() == "the hub\n"
    again = build.begin()
    assert (again.folder, again.is_being_built) == (checkout.build, False)


async def test_its_page_shows_a_failure_and_stops_reloading(
    checkout: Checkout, build: Terminal
) -> None:
    checkout.has_npm(then="echo '<main>: no such tag' && exit 3")
    begun = build.begin()
    await begun.build(build.log)
    assert begun.folder is not None
    page = (begun.folder / "index.html").read_text()
    assert "&lt;main&gt;: no such tag" in page
    assert "waiting.js" not in page


def test_a_configured_hub_is_never_built(build: Terminal, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("mine")
    own = DevHub(Settings.model_validate({"hub_folder": tmp_path}), tmp_path / ".opsrun")
    assert (own.folder, own.is_being_built) == (tmp_path, False)


async def test_scripts_of_packages_see_no_secret(
    checkout: Checkout, build: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSRUN_LOCAL_KEY", "k" * 32)
    await build()
    assert (checkout.folder / "secrets").read_text().split() == []
