"""The image holds what production needs and nothing more, and its commands work together."""

import json
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from importlib.metadata import PathDistribution, distribution
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from opsrun.dev.embedded import EmbeddedServers
from opsrun.dev.provision import provision
from opsrun.postgres.engines import Login
from tests.acts import policy
from tests.client import SYNC, User, open_http
from tests.databases import SECRET, new_database, url_of
from tests.deploy.conftest import Image
from tests.deploy.files import DEPLOY, call
from tests.opsrun.commands import Command, until
from tests.world import LOCAL_KEY, SCOPE

MIB = 1024 * 1024
LARGEST = 340 * MIB
COMPILERS = re.compile(r"(g?cc|[cg]\+\+|clang|ld|make|rustc|cargo|go)(-[\d.]+)?")
SCOPES = "query($tenant: ID!) { tenant(id: $tenant) { inventoryScopes { key } } }"


def test_the_linter_accepts_its_description(linters: Path) -> None:
    assert call(linters / "bin" / "hadolint", DEPLOY / "Containerfile") == ""


def dependencies(name: str) -> Iterator[str]:
    """Yield what a package without extras needs, recursively; markers as in the image."""
    waiting = [Requirement(name)]
    seen = set()
    while waiting:
        requirement = waiting.pop()
        if (key := (requirement.name, frozenset(requirement.extras))) in seen:
            continue
        seen.add(key)
        yield canonicalize_name(requirement.name)
        for line in distribution(requirement.name).requires or []:
            needed = Requirement(line)
            extras = requirement.extras or {""}
            if needed.marker is None or any(
                needed.marker.evaluate({"extra": extra}) for extra in extras
            ):
                waiting.append(needed)


@pytest.fixture(scope="module")
def packages(image: Image) -> dict[str, str]:
    """The versions of the packages in the image, by name."""
    folder = image.root / "opt" / "opsrun" / "lib"
    infos = [PathDistribution(path) for path in folder.glob("*/site-packages/*.dist-info")]
    return {canonicalize_name(one.metadata["Name"]): one.version for one in infos}


def test_it_has_what_opsrun_needs_in_the_locked_versions(packages: dict[str, str]) -> None:
    # Python before 3.11.3 needs it, and this Python may be newer.
    assert packages.keys() - {"async-timeout"} == {*dependencies("opsrun")} - {"async-timeout"}
    for name, version in packages.items():
        assert name == "async-timeout" or version == distribution(name).version


def test_its_bill_of_materials_names_every_package(image: Image, packages: dict[str, str]) -> None:
    bill = json.loads((image.root / "opt" / "opsrun" / "sbom.cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    components = {canonicalize_name(one["name"]): one["version"] for one in bill["components"]}
    assert components == packages
    assert all(one["purl"].startswith("pkg:pypi/") for one in bill["components"] if "purl" in one)


def test_it_has_no_compiler_no_cache_and_no_file_with_rights_of_another_user(
    image: Image,
) -> None:
    for path in image.root.rglob("*"):
        inside = path.relative_to(image.root)
        assert not (path.parent.name == "bin" and COMPILERS.fullmatch(path.name)), inside
        assert path.name != "pip" or "ensurepip" in inside.parts, inside
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            assert not mode & (stat.S_ISUID | stat.S_ISGID), inside
            assert not mode & stat.S_IWOTH, inside
    assert not (image.root / "root" / ".cache").exists()
    assert [*(image.root / "var" / "lib" / "apt" / "lists").glob("*_Packages*")] == []


def test_it_says_what_it_is(
    image: Image, packages: dict[str, str], record_property: Callable[[str, object], None]
) -> None:
    labels = image.config["Labels"]
    prefix = "org.opencontainers.image."
    assert labels[f"{prefix}version"] == packages["opsrun"]
    assert labels[f"{prefix}licenses"] == "Apache-2.0"
    assert {f"{prefix}{name}" for name in ("title", "description", "revision")} <= labels.keys()
    assert image.config["User"] == "65532:65532"
    assert image.config["StopSignal"] == "SIGTERM"
    assert image.size < LARGEST
    note = f"The image has {image.size / MIB:.0f} MiB, and took {image.seconds:.0f} s to build."
    record_property("note", note)


async def test_buildah_runs_it_as_its_user(image: Image) -> None:
    run = ("buildah", "run", "--isolation", "chroot", image.container)
    assert call(*run, "id", "-u") == "65532\n"
    assert call(*run, "opsrun", "--help").startswith("Usage: opsrun")


class Platform:
    """A database, Valkey, secrets as files, and a tenant's exports, for the image's commands."""

    def __init__(self, image: Image, folder: Path, redis_url: str) -> None:
        self._image = image
        self._folder = folder
        self._redis_url = redis_url
        self.exports = folder / "exports"
        self.exports.mkdir(mode=0o755)

    def run(
        self, *arguments: str, url: str, **settings: str
    ) -> AbstractAsyncContextManager[Command]:
        """Run a command with the login of `url`."""
        secrets = self._folder / arguments[0]
        secrets.mkdir(exist_ok=True)
        (secrets / "OPSRUN_DATABASE_URL").write_text(url)
        (secrets / "OPSRUN_REDIS_URL").write_text(self._redis_url)
        (secrets / "OPSRUN_LOCAL_KEY").write_text(LOCAL_KEY)
        return self._image.run(
            *arguments, run=secrets, srv=self.exports, SETTINGS_FOLDER="/run", **settings
        )

    async def output(self, *arguments: str, url: str) -> str:
        """Run a command to its end, which must be a success; return its output."""
        async with self.run(*arguments, url=url) as command:
            assert await command.ends() == 0, command.output
            return command.output


@pytest.fixture
def platform(image: Image, tmp_path: Path, servers: EmbeddedServers) -> Platform:
    return Platform(image, tmp_path, servers.redis_url.removesuffix("/0") + "/2")


async def test_nothing_can_be_written_in_it(image: Image, tmp_path: Path) -> None:
    write = ("-c", "id -u; for f in / /tmp /opt/opsrun /run; do touch $f/x; done")
    async with image.run(*write, run=tmp_path, srv=tmp_path, entrypoint="sh") as command:
        await command.ends()
    assert command.lines[0] == "65532"
    assert command.output.count("cannot touch") == 4


async def test_its_commands_migrate_serve_and_execute_a_run(
    platform: Platform,
    servers: EmbeddedServers,
    logins: dict[Login, str],  # not used, but its roles must be there first
    record_property: Callable[[str, object], None],
) -> None:
    database = await new_database(servers.postgres_url, "image")
    owner = url_of(servers.postgres_url, "image")
    assert "The database is up to date." in await platform.output("migrate", url=owner)
    urls = await provision(database, SECRET)
    maintenance = urls[Login.MAINTENANCE]
    scope = platform.exports / "aurora" / SCOPE
    scope.mkdir(parents=True)
    for name in "abc":
        (scope / f"{name}.json").write_text(json.dumps(policy(name)))
    tenant = ("tenant", "aurora", "--name", "Aurora", "--export-folder", "/srv/aurora")
    await platform.output(*tenant, url=maintenance)
    await platform.output("member", "aurora", "ada", "--role", "OPERATOR", url=maintenance)
    token = (await platform.output("token", "ada", url=maintenance)).splitlines()[-1]

    async with (
        platform.run("api", url=urls[Login.API], PORT="0", DRAIN_SECONDS="0") as api,
        platform.run("worker", url=urls[Login.WORKER]) as worker,
        platform.run("maintenance", url=maintenance) as process,
    ):
        match = re.search(r"http://0\.0\.0\.0:(\d+)", await api.prints("Listening on "))
        assert match is not None
        base = f"http://127.0.0.1:{match[1]}"
        async with open_http(base) as http:
            assert (await http.get("/readyz")).status_code == 200
            assert (await http.get("/t/aurora")).text == "the hub\n"
            assert (await http.get("/graphiql/")).status_code == 200
        async with User.signed_in(base, token) as user:

            async def scope_is_known() -> bool:
                data = await user.data(SCOPES, tenant=user.tenant_id)
                return {"key": SCOPE} in data["tenant"]["inventoryScopes"]

            await until(scope_is_known)
            run = await user.watch(await user.start(SYNC, SCOPE))
        assert run["statusBucket"] == "SUCCEEDED"
        assert run["counts"] == {"total": 3, "processed": 3, "failed": 0}
        sizes = {}
        for name, command in (("API", api), ("worker", worker), ("maintenance", process)):
            sizes[name] = psutil.Process(command.pid).memory_info().rss / MIB
            code, _ = await command.stop()
            assert code == 0, command.output
            assert "Traceback" not in command.output
    used = ", ".join(f"{name} {size:.0f} MiB" for name, size in sizes.items())
    record_property("note", f"After one run, the image's processes use: {used}.")
