"""`npm run lint` checks the schema's style and the examples' documents."""

from pathlib import Path

import pytest

from tests.contract.conftest import replace
from tests.nodejs import needs_node, npm

pytestmark = needs_node

FAULTS = {
    "require-description": ('  """When a worker first claimed it."""\n', ""),
    "naming-convention": ("  email: String", "  e_mail: String"),
    "require-deprecation-reason": (
        '  version: Int!\n\n  """When',
        '  version: Int! @deprecated\n\n  """When',
    ),
    "input-name": ("input: StartInventorySyncInput!", "data: StartInventorySyncInput!"),
    "relay-page-info": ("  hasNextPage: Boolean!", "  hasNextPage: Boolean"),
    "no-unreachable-types": ("= DriftReport | ", "= "),
}


def findings(project: Path) -> str:
    """Return the linter's output for a project with faults."""
    with pytest.raises(AssertionError) as error:
        npm(project / "tests" / "contract", "run", "lint")
    return str(error.value)


def test_the_schema_and_the_documents_of_all_examples_are_clean(tools: Path) -> None:
    npm(tools, "run", "lint")


def test_it_reports_bad_style_of_the_schema(project: Path) -> None:
    for old, new in FAULTS.values():
        replace(project / "schema.graphql", old, new)
    report = findings(project)
    assert [rule for rule in FAULTS if f"@graphql-eslint/{rule}\n" not in report] == [], report


def test_it_reports_documents_of_every_kind_that_do_not_fit_the_schema(project: Path) -> None:
    deprecated = '  slug: String! @deprecated(reason: "Use `name`.")'
    replace(project / "schema.graphql", "  slug: String!", deprecated)
    example = project / "client-examples" / "new-example"
    components = example / "src" / "components"
    components.mkdir(parents=True)
    (example / "own.graphql").write_text("query Own { viewer { nameInGraphql } }")
    (example / "src" / "own.ts").write_text("const Two = graphql(`query Two { viewerInTs }`);")
    (components / "Own.tsx").write_text(
        "const Three = gql(`query Three($id: ID!) { tenant(id: $id) { slug nameInTsx } }`);\n"
        "export const Title = ({ name }: { name: string }) => <h1>{name}</h1>;\n"
    )
    report = findings(project)
    for field in ("nameInGraphql", "viewerInTs", "nameInTsx"):
        assert f'Cannot query field "{field}"' in report
    assert 'Field "slug" is marked as deprecated' in report.partition("Own.tsx")[2]
