"""Microsoft's own SDK reads the double completely, and signs in with each kind of credential.

make test ARGS="tests/graph --judge"
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.graph import Double, graph_double
from tests.graph.exports import Document, read_exports
from tests.graph.faults import throttled
from tests.graph.histories import new_groups
from tests.graph.policy_collections import COLLECTIONS
from tests.graph.reading import by_id
from tests.graph.samples import sample_policies
from tests.graph.test_policies import EXPORTS

PACKAGES = ("msgraph-beta-sdk>=1.66,<2", "azure-identity>=1.27,<2")
RELEASES = ("3.3", "3.4", "3.5")
SECONDS = 300
# The SDK's datetimes have six digits, Graph's seven.
VOLATILE = {"createdDateTime", "lastModifiedDateTime"}


@pytest.fixture(scope="module")
def sdk(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The Python of an environment with the SDK."""
    if not pytestconfig.getoption("--judge", default=False):
        pytest.skip("Microsoft's SDK has 350 MB; pass tests/graph --judge to install it")
    folder = tmp_path_factory.mktemp("judge") / "venv"
    python = folder / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)  # noqa: S603
    done = subprocess.run(  # noqa: S603
        [str(python), "-m", "pip", "install", "--quiet", "--no-compile", *PACKAGES],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        pytest.skip(f"Microsoft's SDK cannot be installed here: {done.stderr[-300:]}")
    yield python
    shutil.rmtree(folder)


@pytest.fixture
async def doubles(tmp_path: Path) -> AsyncIterator[Mapping[str, Double]]:
    """A double of each release; the last one has samples of every other collection too."""
    async with AsyncExitStack() as stack:
        doubles = {
            release: await stack.enter_async_context(
                graph_double(EXPORTS / f"windows-v{release}", member_page=3)
            )
            for release in RELEASES
        }
        for name, some in SAMPLES.items():
            doubles[RELEASES[-1]].policies.put(name, some)
        for number, double in enumerate(doubles.values()):
            new_groups(double.groups, 12, seed=number)
            double.faults.add("/deviceManagement/configurationPolicies", throttled(1))
        yield doubles


SAMPLES = sample_policies(64, groups=["g1", "g2", "g3"], tags=["0", "7"])


def files(release: str) -> Mapping[str, list[Document]]:
    """Return the documents that the double of a release must serve."""
    documents = {
        name: [*some] for name, some in read_exports([EXPORTS / f"windows-v{release}"]).items()
    }
    if release == RELEASES[-1]:
        for name, some in SAMPLES.items():
            documents.setdefault(name, []).extend(some)
    return documents


def comparable(value: Any) -> Any:
    """Return what the SDK can tell apart."""
    if isinstance(value, list):
        return [comparable(member) for member in value]
    if not isinstance(value, dict):
        return value
    return {
        key: comparable(member)
        for key, member in value.items()
        if member is not None and key not in VOLATILE
    }


def target(double: Double, kind: str, folder: Path) -> dict[str, Any]:
    """Return what the judge needs to read a double with a credential of this kind."""
    credentials = double.tokens.credentials
    every = {
        "secret": credentials.secret,
        "certificate": str(credentials.new_certificate(folder)),
        "federated": credentials.federate().token(),
    }
    return {
        "graph": double.url,
        "authority": double.authority,
        "ca_file": str(double.ca_file),
        "tenant": double.tokens.tenant_id,
        "client": double.tokens.client_id,
        "all": every,
        kind: every[kind],
    }


@pytest.mark.skipif(not EXPORTS.is_dir(), reason="the real exports are not here")
async def test_the_sdk_reads_every_policy_setting_and_member(
    sdk: Path,
    doubles: Mapping[str, Double],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    kinds = ("secret", "certificate", "federated")
    targets = [
        target(double, kind, tmp_path) for kind, double in zip(kinds, doubles.values(), strict=True)
    ]
    started = time.monotonic()
    # These would be trusted instead of the double's authority.
    environment = {key: value for key, value in os.environ.items() if "CA_BUNDLE" not in key}
    judge = await asyncio.create_subprocess_exec(
        sdk, Path(__file__).with_name("judge.py"), env=environment, stdin=PIPE, stdout=PIPE
    )
    async with asyncio.timeout(SECONDS):
        output, _ = await judge.communicate(json.dumps(targets).encode())
    assert judge.returncode == 0
    read = [_camel_keys(one) for one in json.loads(output)]
    for (release, double), one in zip(doubles.items(), read, strict=True):
        assert one["policies"].keys() == COLLECTIONS.keys() - {"windowsQualityUpdatePolicies"}
        assert comparable(by_id(one["policies"])) == comparable(by_id(files(release)))
        assert one["groups"] == {
            key: sorted(member.id for member in group.members)
            for key, group in double.groups.present().items()
        }
        assert one["msal"] == []
        assert double.faults.switches[0].hits == 1
    policies = sum(len(some) for one in read for some in one["policies"].values())
    catalog = [policy for one in read for policy in one["policies"]["configurationPolicies"]]
    record_property(
        "note",
        f"Microsoft's SDK read {policies} policies,"
        f" {sum(len(policy['settings']) for policy in catalog)} settings of the catalog among them,"
        f" in {sum(len(double.requests) for double in doubles.values())} requests and"
        f" {time.monotonic() - started:.0f} seconds.",
    )


def _camel_keys(read: dict[str, Any]) -> dict[str, Any]:
    """Name the collections as Graph does, not as the SDK does."""
    policies = {_camel(name): some for name, some in read["policies"].items()}
    return {**read, "policies": policies}


def _camel(name: str) -> str:
    return re.sub("_([a-z])", lambda match: match[1].upper(), name)
