"""`make reference` writes one complete page that loads nothing."""

import re
from pathlib import Path

from tests.nodejs import needs_node, npm


@needs_node
def test_the_reference_is_complete_and_needs_no_network(project: Path) -> None:
    npm(project / "tests" / "contract", "run", "reference")
    page = (project / "build" / "reference" / "index.html").read_text()
    schema = (project / "schema.graphql").read_text()
    types = set(re.findall(r"^(?:type|input|enum|union|interface|scalar) (\w+)", schema, re.M))
    roots = {"Query", "Mutation", "Subscription"}
    assert {name for name in types if f'id="definition-{name}"' not in page} == roots
    for operation in ("query-node", "mutation-startInventorySync", "subscription-operationRuns"):
        assert f'id="{operation}"' in page
    assert not re.search(r"<(script|img|iframe)[^>]* src=|<link[^>]* href=|@import|url\(", page)
