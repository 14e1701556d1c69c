"""The image, built once, and a way to run its commands as a container platform does."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

import pytest

from tests.deploy.files import REPOSITORY, call
from tests.opsrun.commands import Command, running

_TOOLS = ("buildah", "mmdebstrap", "unshare", "apt-get")
_MISSING = [tool for tool in _TOOLS if shutil.which(tool) is None]
LACK = (
    f"the image needs {', '.join(_MISSING)}"
    if _MISSING
    else "only root builds the image here"
    if os.geteuid() != 0
    else None
)
# buildah's isolation `chroot` cannot make the root file system read-only, so this does. The
# arguments are the root, what to mount on /run and on /srv, and the command.
_CONTAINED = r"""set -e
root=$1 run=$2 srv=$3
shift 3
mount --make-rprivate /
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount --bind -o ro "$run" "$root/run"
mount --bind -o ro "$srv" "$root/srv"
mount --rbind /proc "$root/proc"
exec /usr/sbin/chroot "$root" setpriv --reuid=65532 --regid=65532 --clear-groups --no-new-privs \
  --bounding-set=-all "$@"
"""


@dataclass(frozen=True, slots=True)
class Image:
    """An image with a container whose files are mounted at `root`."""

    name: str
    container: str
    root: Path
    config: Mapping[str, Any]
    size: int
    """Bytes, as a registry stores them before it compresses them."""
    seconds: float
    """How long the build took."""

    def run(
        self, *arguments: str, run: Path, srv: Path, entrypoint: str | None = None, **settings: str
    ) -> AbstractAsyncContextManager[Command]:
        """Run a command of the image as its user, with a root file system that is read-only.

        Arguments:
            arguments: What follows the entry point.
            run: What the command sees in /run.
            srv: What the command sees in /srv.
            entrypoint: A program instead of the image's.
            settings: Variables, without their prefix.
        """
        environment = dict(line.split("=", 1) for line in self.config["Env"])
        environment |= {f"OPSRUN_{name}": value for name, value in settings.items()}
        [program] = self.config["Entrypoint"]
        return running(
            *(str(self.root), str(run), str(srv), entrypoint or program, *arguments),
            environment=environment,
            folder=Path("/"),
            program=("unshare", "--mount", "sh", "-c", _CONTAINED, "contained"),
        )


@pytest.fixture(scope="session")
def image(wheel: Path, request: pytest.FixtureRequest) -> Iterator[Image]:
    """The image that `deploy/build` makes of the wheel."""
    if LACK is not None:
        if request.config.getoption("skip_nothing"):
            pytest.fail(LACK)
        pytest.skip(LACK)
    checkout = wheel.parents[1]
    shutil.copytree(REPOSITORY / "deploy", checkout / "deploy")
    shutil.copy(REPOSITORY / "requirements.lock", checkout)
    name = f"opsrun-tests-{uuid4().hex}:latest"
    began = monotonic()
    call(checkout / "deploy" / "build", name)
    seconds = monotonic() - began
    inspected = json.loads(call("buildah", "inspect", "--type", "image", name))
    [listed] = json.loads(call("buildah", "images", "--json", name))
    container = call("buildah", "from", name).strip()
    try:
        root = Path(call("buildah", "mount", container).strip())
        size = sum(path.lstat().st_size for path in root.rglob("*") if path.is_file())
        yield Image(
            listed["names"][0], container, root, inspected["OCIv1"]["config"], size, seconds
        )
    finally:
        call("buildah", "rm", container)
        call("buildah", "rmi", name)
