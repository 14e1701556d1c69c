"""A process imports only what it needs, so it starts fast."""

import subprocess
import sys

import pytest

WEB = {"strawberry", "graphql", "starlette", "uvicorn", "gql.schema", "gql.context"}
DEVELOPMENT = {"opsrun.dev", "alembic"}
PROVIDERS = {"workers.providers.directory", "pathspec"}


@pytest.mark.parametrize(
    ("modules", "unneeded"),
    [
        ("opsrun.processes", WEB | PROVIDERS | DEVELOPMENT),
        ("opsrun.api.serving", {"httpx", "workers.producers"} | DEVELOPMENT),
    ],
    ids=["worker and maintenance", "api"],
)
def test_a_process_imports_nothing_that_it_does_not_need(modules: str, unneeded: set[str]) -> None:
    code = f"import sys, opsrun.__main__, {modules}; print(*sys.modules)"
    imported = subprocess.run(  # noqa: S603 - the code is from this file
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    ).stdout.split()
    assert modules in imported
    assert unneeded.isdisjoint(imported)
