"""The option that lets Microsoft's SDK judge the double."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--judge`."""
    parser.addoption(
        "--judge",
        action="store_true",
        help="install Microsoft's SDK for Graph (350 MB) and let it read the test double",
    )
