"""Relay's compiler and gql.tada accept the schema and generate strictly typed code.

GraphQL Code Generator's client preset and ariadne-codegen do so in `tests/clients`, with the
documents of the examples.
"""

from pathlib import Path

import pytest

from tests.nodejs import needs_node, npm

pytestmark = needs_node


@pytest.mark.parametrize("compiler", ["relay", "tada"])
def test_it_compiles_realistic_documents(project: Path, compiler: str) -> None:
    npm(project / "tests" / "contract", "run", compiler)
