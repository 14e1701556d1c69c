import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from opsrun.dev.embedded import embedded_servers
from tests.opsrun.dev.embedded.observing import Started


@contextmanager
def public_folder() -> Iterator[Path]:
    """A temporary folder that every account may enter, unlike pytest's folders for root."""
    folder = Path(tempfile.mkdtemp(prefix="opsrun-test-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    with public_folder() as folder:
        yield folder


@pytest.fixture
def data_folder(open_folder: Path) -> Path:
    """The path of a data folder that does not exist yet."""
    return open_folder / "data"


@pytest_asyncio.fixture(scope="session")
async def made_folder() -> AsyncIterator[Path]:
    """A data folder with a database, whose rows stay from test to test."""
    with public_folder() as folder:
        async with embedded_servers(folder / "data", durable=False):
            pass
        yield folder / "data"


@pytest.fixture
def started() -> Started:
    """Return the servers that this test started, without those of the session."""
    return Started()
