"""A client's documents are read all together, or refused with every error."""

import json
from pathlib import Path
from typing import Any

import pytest

from domain.documents.models import TrustedDocument, sha256_of
from gql.documents.manifests import UnusableManifestError, read_documents
from gql.limits.limits import Limits
from gql.schema import core_schema

VIEWER = "query Viewer { viewer { name } }"
FEED = "subscription Feed($t: ID!) { operationRuns(tenantId: $t) { __typename } }"


def read(paths: list[Path], limits: Limits | None = None) -> list[TrustedDocument]:
    return read_documents(paths, core_schema, limits or Limits())


def written(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_each_kind_of_manifest_is_read(tmp_path: Path) -> None:
    expected = [TrustedDocument("Viewer", VIEWER), TrustedDocument("Feed", FEED)]
    preset = {sha256_of(text): text for text in (VIEWER, FEED)}
    apollo = {
        "format": "apollo-persisted-query-manifest",
        "version": 1,
        "operations": [
            {"id": sha256_of(text), "name": name, "type": "query", "body": text}
            for name, text in (("Viewer", VIEWER), ("Feed", FEED))
        ],
    }
    assert read([written(tmp_path / "preset.json", preset)]) == expected
    assert read([written(tmp_path / "apollo.json", apollo)]) == expected
    files = [written(tmp_path / f"{n}.graphql", text) for n, text in enumerate((VIEWER, FEED))]
    assert read(files) == expected
    assert read([files[0], files[0]]) == expected[:1]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "Expecting"),
        ([], "A manifest is a JSON object"),
        ({"abc": VIEWER}, "Viewer: abc is not its SHA-256"),
        ({"abc": 7}, "The document of abc is not a text"),
        ({"operations": [7]}, "has no attribute"),
        ({"operations": [{"id": "abc"}]}, "The document of abc is not a text"),
        ({sha256_of("{ viewer {"): "{ viewer {"}, "(unreadable): Syntax Error"),
        ({sha256_of("{ nonsense }"): "{ nonsense }"}, "(anonymous): Cannot query field"),
        ({sha256_of("{ a: viewer { name } }"): "{ a: viewer { name } }"}, "0 aliases"),
        ({sha256_of("fragment F on Viewer { name }"): "fragment F on Viewer { name }"}, "Fragment"),
    ],
)
def test_an_unusable_file_reports_the_reason(tmp_path: Path, content: Any, says: str) -> None:
    path = written(tmp_path / "manifest.json", content)
    with pytest.raises(UnusableManifestError) as refusal:
        read([path], Limits(aliases=0))
    assert says in str(refusal.value)
    assert str(refusal.value).startswith(f"{path}: ")


def test_all_errors_are_reported_together(tmp_path: Path) -> None:
    good = written(tmp_path / "good.graphql", VIEWER)
    bad = [written(tmp_path / f"bad{n}.graphql", "{ nonsense }") for n in range(2)]
    dear = written(
        tmp_path / "dear.graphql",
        'query Dear { tenant(id: "t") { operationRuns(first: 100) { nodes { id } } } }',
    )
    with pytest.raises(UnusableManifestError) as refusal:
        read([*bad, good, dear], Limits(cost=50))
    assert len(str(refusal.value).splitlines()) == 3
    assert "Dear: The operation costs 112" in str(refusal.value)
