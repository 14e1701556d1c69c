"""`client-examples/http`: every operation of the API runs with curl alone."""

import json
import re
import signal
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    DocumentNode,
    FieldNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    build_schema,
    parse,
    validate,
    visit,
)

from domain.tenancy.roles import TenantRole
from tests.acts import export, policy
from tests.clients.conftest import CLOSED_PORT, Product
from tests.groups import store_groups
from tests.opsrun.commands import Command, running
from tests.world import SCOPE

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "client-examples" / "http"
SCHEMA = build_schema((ROOT / "schema.graphql").read_text())
DOCUMENTS = {
    path.stem: parse(path.read_text()) for path in (FOLDER / "operations").glob("*.graphql")
}
# The root fields, and the fields that lead to a tenant.
COVERED = ("Query", "Mutation", "Subscription", "Tenant")


class Curl:
    """A user of the script; remembers the operations that ran."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.ran: set[str] = set()

    def run(self, name: str, *variables: str) -> AbstractAsyncContextManager[Command]:
        """Run the script."""
        self.ran.add(name)
        return running(
            *(name, *variables),
            environment=self.environment,
            folder=FOLDER,
            program=("./opsrun-curl",),
        )

    async def ask(self, name: str, *variables: str) -> Any:
        """Return the value of the operation's one field."""
        async with self.run(name, *variables) as script:
            assert await script.ends() == 0, script.output
        answer = json.loads(script.output)
        assert "errors" not in answer, answer
        (value,) = answer["data"].values()
        return value

    async def watched(self, name: str, *variables: str) -> list[Any]:
        """Return all messages of a subscription that completes."""
        async with self.run(name, *variables) as script:
            assert await script.ends() == 0, script.output
        assert "event: complete" in script.output
        return events(script)

    async def done(self, name: str, *variables: str) -> str:
        """Start a run and watch it until it ends; return its id."""
        started = await self.ask(name, *variables)
        assert (started["outcome"], started["userErrors"]) == ("CREATED", [])
        run_id: str = started["run"]["id"]
        *_, last = await self.watched("watch-run", f"id={run_id}")
        assert last["run"]["statusBucket"] == "SUCCEEDED"
        return run_id


def events(script: Command) -> list[Any]:
    """Return the messages of a subscription so far."""
    sent = [line[6:] for line in script.lines if line.startswith("data: {")]
    return [next(iter(json.loads(result)["data"].values())) for result in sent]


def fields(document: DocumentNode) -> set[str]:
    """Return the fields that a document selects, such as `Tenant.policies`."""
    tested = set()
    types = TypeInfo(SCHEMA)

    class Collector(Visitor):
        def enter_field(self, node: FieldNode, *_: Any) -> None:
            tested.add(f"{types.get_parent_type()}.{node.name.value}")

    visit(document, TypeInfoVisitor(types, Collector()))
    return tested


@pytest.fixture
async def curl(product: Product) -> Curl:
    """An owner, who may use every operation."""
    environment = product.environment(TenantRole.OWNER)
    del environment["OPSRUN_TENANT"]
    return Curl(environment)


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_a_document_is_valid(name: str) -> None:
    assert validate(SCHEMA, DOCUMENTS[name]) == []


def test_the_documents_cover_every_operation() -> None:
    covered = set().union(*map(fields, DOCUMENTS.values()))
    there = {
        f"{name}.{field}"
        for name in COVERED
        for field in SCHEMA.type_map[name].fields  # type: ignore[attr-defined]
    }
    assert there - covered == set()


async def test_every_operation_works(curl: Curl, product: Product) -> None:
    place = product.place
    (membership,) = (await curl.ask("viewer"))["memberships"]
    assert (membership["role"], membership["tenant"]["slug"]) == ("OWNER", place.slug)
    tenant = f"tenantId={membership['tenant']['id']}"

    export(place, policy("a", minimum=8), policy("b"))
    await curl.done("start-sync", tenant, f"scopeKey={SCOPE}")
    export(place, policy("a", minimum=12), policy("b"))
    sync = await curl.done("start-sync", tenant, f"scopeKey={SCOPE}")
    drift = await curl.done("start-drift", tenant, f"scopeKey={SCOPE}")
    report = await curl.ask("drift-findings", tenant, f"runId={drift}")
    (finding,) = report["driftFindings"]["nodes"]
    assert (finding["kind"], finding["changes"][0]["new"]) == ("MODIFIED", 12)

    await store_groups(place, {"g": ("Pilots", {"m": "USER"})})
    (group,) = (await curl.ask("groups", tenant, "search=pilot"))["groups"]["nodes"]
    assert (group["name"], group["memberCount"]) == ("Pilots", 1)
    members = (await curl.ask("group-members", f"id={group['id']}"))["members"]["nodes"]
    assert members == [{"memberId": "m", "kind": "USER"}]
    (refused,) = (await curl.ask("start-group-sync", tenant))["userErrors"]
    assert refused["code"] == "GRAPH_REQUIRED"

    policies = (await curl.ask("policies", tenant, f"scopeKey={SCOPE}"))["policies"]["nodes"]
    assert [one["name"] for one in policies] == ["Policy a", "Policy b"]
    created = (await curl.ask("create-backup-set", tenant, "name=Two of them"))["backupSet"]
    ids = json.dumps([one["id"] for one in policies])
    await curl.done("add-policies", f"backupSetId={created['id']}", f"policyIds:={ids}")
    (backup,) = (await curl.ask("backup-sets", tenant))["backupSets"]["nodes"]
    assert (backup["name"], backup["policyCount"]) == ("Two of them", 2)

    types = (await curl.ask("run-types", tenant))["runTypes"]
    assert {one["name"] for one in types} >= {"inventory.sync", "drift.generate"}
    scope = json.dumps({"scopeKey": SCOPE})
    sync = await curl.done("start", tenant, "runType=inventory.sync", f"context:={scope}")
    reasons = await curl.ask("failure-reasons")
    assert "INVALID_JSON" in {one["code"] for one in reasons}

    newest = await curl.ask("runs", tenant, "first:=1", 'filter:={"runTypes": ["inventory.sync"]}')
    assert newest["operationRuns"]["nodes"][0]["id"] == sync
    assert newest["operationRuns"]["pageInfo"]["hasNextPage"]
    facets = (await curl.ask("facets", tenant))["operationRunFacets"]
    assert {"runType": "inventory.sync", "count": 3} in facets["byRunType"]
    run = await curl.ask("run", f"id={drift}")
    assert run["related"] == [{"scopeKey": SCOPE, "added": 0, "removed": 0, "modified": 1}]
    both = await curl.ask("nodes", f"ids:={json.dumps([sync, created['id']])}")
    assert [one["__typename"] for one in both] == ["OperationRun", "BackupSet"]

    unread = (await curl.ask("notifications", tenant, "unreadOnly:=true"))["notifications"]["nodes"]
    async with curl.run("watch-notifications", tenant, f"after={unread[0]['cursor']}") as stream:
        await curl.done("start-sync", tenant, f"scopeKey={SCOPE}")
        await stream.prints("inventory.sync succeeded")
    read = json.dumps([one["id"] for one in unread])
    marked = await curl.ask("mark-read", tenant, f"notificationIds:={read}")
    assert all(one["readAt"] for one in marked["notifications"])
    await curl.ask("update-settings", tenant, "retentionDays:=7")
    settings = await curl.ask("tenant", tenant)
    assert settings["retentionDays"] == 7
    assert settings["unreadNotificationCount"] == marked["unreadCount"]

    async with curl.run("watch-runs", tenant) as stream:
        await stream.prints("FeedReset")
        assert len(events(stream)[0]["runs"]) == 6
    assert curl.ran == set(DOCUMENTS)


async def test_a_feed_continues_after_the_cursor(curl: Curl, product: Product) -> None:
    tenant = f"tenantId={product.place.global_id}"
    export(product.place, *(policy(str(number)) for number in range(25)))
    async with curl.run("watch-runs", tenant) as stream:
        await stream.prints("FeedReset")
        run_id = (await curl.ask("start-sync", tenant, f"scopeKey={SCOPE}"))["run"]["id"]
        await stream.prints("OperationRunChanged", times=2)
        await stream.stop(signal.SIGKILL)
    seen = events(stream)[1:]
    whole = await curl.watched("watch-run", f"id={run_id}")
    last = whole[-1]["run"]["version"]

    async with curl.run("watch-runs", tenant, f"after={seen[-1]['cursor']}") as stream:
        await stream.prints("SUCCEEDED")
    assert stream.output.count("FeedReset") == 0
    versions = [event["run"]["version"] for event in seen + events(stream)]
    assert versions == list(range(1, last + 1))
    resumed = await curl.watched("watch-run", f"id={run_id}", f"after={seen[0]['cursor']}")
    assert [event["run"]["version"] for event in resumed] == versions[1:]


@pytest.mark.parametrize(
    ("folder", "page"),
    [(ROOT, "README.md"), (ROOT, "docs/api.md"), (FOLDER, "README.md")],
    ids=["Opsrun", "api", "http"],
)
async def test_the_commands_in_the_docs_work_as_they_are(
    curl: Curl, product: Product, folder: Path, page: str
) -> None:
    text = (folder / page).read_text().replace("VGVuYW50…", product.place.global_id)
    for there, here in (
        ("http://127.0.0.1:8000/graphql", "$OPSRUN_URL"),
        ("$API/graphql", "$OPSRUN_URL"),
        ("$TOKEN", "$OPSRUN_TOKEN"),
    ):
        text = text.replace(there, here)
    query, subscription = re.findall(r"^curl .*?(?=\n```)", text, re.DOTALL | re.MULTILINE)
    shell = partial(running, environment=curl.environment, folder=folder, program=("bash", "-c"))
    async with shell(query) as script:
        assert await script.ends() == 0, script.output
    assert '"errors"' not in script.output
    assert product.place.slug in script.output
    async with shell(f"exec {subscription}") as stream:
        await stream.prints("event: next")
        assert "cursor" in await stream.prints("data: ")
        await stream.stop()


async def test_it_shows_what_to_fix(curl: Curl) -> None:
    good = curl.environment
    for arguments, environment, code, message in (
        (["viewer"], {"OPSRUN_URL": ""}, 2, "Set OPSRUN_URL"),
        (["viewer"], {"OPSRUN_TOKEN": ""}, 2, "Set OPSRUN_TOKEN"),
        (["viewer"], {"OPSRUN_TOKEN": "forged"}, 22, "The token is not valid here"),
        (["watch-run", "id=x"], {"OPSRUN_TOKEN": "forged"}, 22, "The token is not valid here"),
        (["viewer"], {"OPSRUN_URL": f"http://127.0.0.1:{CLOSED_PORT}/graphql"}, 7, "curl: (7) "),
        (["tenant"], {}, 22, "Variable '$tenantId'"),
        (["nodes", "ids:=x"], {}, 2, "ids: x is not valid JSON."),
        (["nodes", "ids"], {}, 2, "ids is neither NAME=TEXT nor NAME:=JSON."),
        (["nothing"], {}, 2, "  watch-run            One run, until it ends."),
    ):
        curl.environment = good | environment
        async with curl.run(*arguments) as script:
            assert await script.ends() == code, script.output
        assert message in script.output
        assert "Traceback" not in script.output
