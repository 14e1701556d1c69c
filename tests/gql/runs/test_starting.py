"""`startOperation` starts runs of any type, also of the package in tests/package (P5)."""

import json
import logging
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from domain.lifecycle import StatusBucket
from domain.runs.contexts import MAX_BYTES
from domain.runs.models import OperationRun
from domain.tenancy.roles import TenantRole
from gql.ids import GlobalId
from opsrun.postgres.engines import Login
from opsrun.resources import Resources
from tests.acts import backup_set, save_scopes
from tests.client import Answer
from tests.gql.api import RunningApi
from tests.gql.trail import Trail
from tests.ledger import ledger_faults, reload
from tests.world import SCOPE, World

START = """mutation ($input: StartOperationInput!) { startOperation(input: $input) {
  outcome run { id runType subject context attempt } userErrors { code field message } } }"""
FAILURE = """query ($id: ID!) { node(id: $id) { ... on OperationRun {
  context subject
  failures { nodes { reasonCode reason { code title action retryable } } }
  failureGroups { reasonCode reason { title } }
  related { ... on RelatedLink { title url } } } } }"""
REPORT = {"report": "weekly", "chapters": [{"title": "One", "words": 3}]}


async def start(
    api: RunningApi,
    world: World,
    context: Any,
    run_type: str = "report.export",
    role: TenantRole = TenantRole.MANAGER,
) -> Answer:
    input_ = {"tenantId": world.global_id, "runType": run_type, "context": context}
    return await api.member(world, role).ask(START, {"input": input_})


async def started(api: RunningApi, world: World, context: Any) -> OperationRun:
    payload = (await start(api, world, context)).data["startOperation"]
    assert payload["userErrors"] == []
    return await reload(world, GlobalId.decode(payload["run"]["id"]).uuid_key())


async def refused(
    api: RunningApi, world: World, context: Any, run_type: str = "report.export"
) -> list[tuple[str, list[str], str]]:
    """Return the user errors of a start that leaves no run."""
    payload = (await start(api, world, context, run_type)).data["startOperation"]
    assert (payload["run"], payload["outcome"]) == (None, None)
    assert await world.rows("SELECT 1 FROM opsrun.operation_run WHERE tenant_id = :tenant_id") == []
    return [(each["code"], each["field"], each["message"]) for each in payload["userErrors"]]


async def test_a_run_of_another_package_is_started_once(
    api: RunningApi, world: World, trail: Trail
) -> None:
    first = (await start(api, world, REPORT)).data["startOperation"]
    assert first["outcome"] == "CREATED"
    assert first["run"] | {"id": ""} == {
        "id": "",
        "runType": "report.export",
        "subject": "weekly",
        "context": {**REPORT, "note": ""},
        "attempt": 0,
    }
    again = (await start(api, world, {**REPORT, "note": ""})).data["startOperation"]
    assert (again["outcome"], again["run"]) == ("REUSED_ACTIVE", first["run"])
    assert [fields["event"] for fields in trail.fields] == ["run.start", "run.reuse"]
    assert {fields["run_type"] for fields in trail.fields} == {"report.export"}


async def test_a_built_in_type_is_started_like_by_its_own_mutation(
    api: RunningApi, world: World
) -> None:
    await save_scopes(world, SCOPE)
    answer = await start(api, world, {"scopeKey": SCOPE}, "inventory.sync", TenantRole.OPERATOR)
    payload = answer.data["startOperation"]
    assert payload["run"]["context"] == {"scopeKey": SCOPE}
    assert (await world.start({"scopeKey": SCOPE})).run.id == GlobalId.decode(
        payload["run"]["id"]
    ).uuid_key()
    unknown = await start(api, world, {"scopeKey": "prd"}, "inventory.sync")
    [error] = unknown.data["startOperation"]["userErrors"]
    assert (error["code"], error["field"]) == ("UNKNOWN_SCOPE", ["input", "context", "scopeKey"])


async def test_the_declaration_decides_how_often_a_run_is_tried(
    api: RunningApi, world: World
) -> None:
    run = await started(api, world, REPORT)
    [row] = await world.rows(
        "SELECT max_attempts FROM opsrun.operation_run WHERE id = :id", id=run.id
    )
    assert row.max_attempts == 2


async def test_a_failure_has_the_reason_of_its_package(api: RunningApi, world: World) -> None:
    chapters = [{"title": "One", "words": 3}, {"title": "Two", "words": 0}]
    run = await started(api, world, {"report": "weekly", "chapters": chapters})
    await world.runner.execute(run.run_type, world.tenant_id, run.id)
    ended = await reload(world, run.id)
    assert ended.status_bucket is StatusBucket.PARTIALLY_SUCCEEDED
    id_ = GlobalId("OperationRun", world.tenant_id, run.id.hex).encode()
    node = (await api.member(world).data(FAILURE, id=id_))["node"]
    assert node["failures"]["nodes"] == [
        {
            "reasonCode": "EMPTY_CHAPTER",
            "reason": {
                "code": "EMPTY_CHAPTER",
                "title": "The chapter has no words",
                "action": "Write the chapter.",
                "retryable": False,
            },
        }
    ]
    # The other link that it makes would run code in the browser.
    assert node["related"] == [
        {"title": "The report weekly", "url": f"https://reports.example/{run.id}"}
    ]
    assert await ledger_faults(world) == []


async def test_links_that_fail_are_logged_and_leave_the_run_readable(
    api: RunningApi, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    run = await started(api, world, {"report": "weekly", "note": "broken links"})
    id_ = GlobalId("OperationRun", world.tenant_id, run.id.hex).encode()
    with caplog.at_level(logging.ERROR):
        assert (await api.member(world).data(FAILURE, id=id_))["node"]["related"] == []
    assert "The links of report.export failed" in caplog.text


async def test_a_secret_in_the_context_is_stored_and_not_shown(
    api: RunningApi, world: World
) -> None:
    note = "postgresql://reader:hunter2@db.example/reports"
    run = await started(api, world, {"report": f"weekly {note}", "note": note})
    assert run.context["note"] == note
    id_ = GlobalId("OperationRun", world.tenant_id, run.id.hex).encode()
    answer = await api.member(world).ask(FAILURE, {"id": id_})
    assert answer.data["node"]["context"]["note"].startswith("postgresql://")
    assert b"hunter2" not in answer.content


async def test_every_wrong_parameter_is_named_by_its_path(api: RunningApi, world: World) -> None:
    context = {"chapters": [{"title": "One", "words": 3}, {"title": "", "words": -1}], "nte": ""}
    errors = await refused(api, world, context)
    at = ["input", "context"]
    assert [(code, path) for code, path, _ in errors] == [
        ("INVALID_CONTEXT", [*at, "report"]),
        ("INVALID_CONTEXT", [*at, "chapters", "1", "title"]),
        ("INVALID_CONTEXT", [*at, "chapters", "1", "words"]),
        ("INVALID_CONTEXT", [*at, "nte"]),
    ]
    assert errors[0][2] == "Field required"


def nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ({"report": "x" * 64 * 1024}, "bytes; at most 32,768 are allowed"),
        ({"report": "weekly", "note": "a\x00b"}, "a character that cannot be stored"),
        ({"report": "weekly", "a\x00": 1}, "a character that cannot be stored"),
        ({"report": 2**64}, "The number is too large"),
        (["weekly"], "not an object"),
        ("weekly", "not an object"),
        (7, "not an object"),
        ({"report": 7}, "valid string"),
        ({"report": "weekly", "chapters": [{"title": "One", "words": 1.5}]}, "valid integer"),
    ],
    ids=repr,
)
async def test_a_hostile_context_is_refused_clearly(
    api: RunningApi, world: World, context: Any, message: str
) -> None:
    [(code, path, text)] = await refused(api, world, context)
    assert code == "INVALID_CONTEXT"
    assert path[:2] == ["input", "context"]
    assert message in text


async def test_a_deep_context_is_refused(api: RunningApi, world: World) -> None:
    answer = await start(api, world, {"report": nested(17)})
    if "errors" in answer.body:
        assert answer.code == "LIMIT_EXCEEDED"
    else:
        [error] = answer.data["startOperation"]["userErrors"]
        assert "nested deeper" in error["message"]


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" + "0" * 400])
async def test_a_huge_number_in_the_document_is_refused(
    api: RunningApi, world: World, number: str
) -> None:
    document = f"""mutation ($tenant: ID!) {{ startOperation(input: {{
      tenantId: $tenant, runType: "report.export", context: {{report: {number}}} }}) {{
      run {{ id }} userErrors {{ code field message }} }} }}"""
    client = api.member(world, TenantRole.MANAGER)
    [error] = (await client.data(document, tenant=world.global_id))["startOperation"]["userErrors"]
    assert (error["code"], error["field"]) == ("INVALID_CONTEXT", ["input", "context", "report"])
    assert "too large" in error["message"]


def test_the_limit_is_below_64_kib() -> None:
    assert len(json.dumps({"report": "x" * 64 * 1024})) > MAX_BYTES


async def test_an_unknown_run_type_is_a_user_error(api: RunningApi, world: World) -> None:
    assert await refused(api, world, {}, "no.such") == [
        ("UNKNOWN_RUN_TYPE", ["input", "runType"], "Unknown run type 'no.such'.")
    ]


async def test_a_role_below_the_declared_one_is_forbidden(api: RunningApi, world: World) -> None:
    answer = await start(api, world, REPORT, role=TenantRole.OPERATOR)
    assert answer.code == "FORBIDDEN"
    assert "requires MANAGER or above" in answer.body["errors"][0]["message"]


async def test_an_object_of_another_tenant_in_a_context_does_not_exist(
    api: RunningApi, world: World, resources: dict[Login, Resources], tmp_path: Path
) -> None:
    theirs = await backup_set(await World.create(resources, tmp_path))
    answers = [
        await start(
            api,
            world,
            {"backupSetId": str(set_id), "policies": [[SCOPE, "a"]]},
            "backup_set.add_policies",
        )
        for set_id in (theirs.id, uuid4())
    ]
    [[error], [unknown]] = [each.data["startOperation"]["userErrors"] for each in answers]
    assert error == unknown
    assert (error["code"], error["field"]) == (
        "BACKUP_SET_NOT_FOUND",
        ["input", "context", "backupSetId"],
    )


async def test_run_types_describe_what_there_is_and_what_the_caller_may_start(
    api: RunningApi, world: World
) -> None:
    query = """query ($tenant: ID!) { tenant(id: $tenant) { runTypes {
      name title description leastRole contextSchema failureReasons { code }
      startPermission { allowed reason } } } }"""
    data = await api.member(world).data(query, tenant=world.global_id)
    declared = {each["name"]: each for each in data["tenant"]["runTypes"]}
    assert list(declared) == [
        "backup_set.add_policies",
        "drift.generate",
        "group.sync",
        "inventory.sync",
        "report.export",
    ]
    report = declared["report.export"]
    assert (report["title"], report["leastRole"]) == ("Export a report", "MANAGER")
    assert report["failureReasons"] == [{"code": "EMPTY_CHAPTER"}]
    assert report["startPermission"] == {
        "allowed": False,
        "reason": "Your role OPERATOR may not do this: it requires MANAGER or above.",
    }
    assert declared["inventory.sync"]["startPermission"] == {"allowed": True, "reason": None}
    schema = report["contextSchema"]
    assert (schema["type"], schema["required"]) == ("object", ["report"])
    assert set(schema["properties"]) == {"report", "chapters", "note"}
    assert schema["additionalProperties"] is False


async def test_the_catalogue_explains_every_reason(api: RunningApi, world: World) -> None:
    query = "{ failureReasons { code title action retryable } }"
    reasons = (await api.member(world).data(query))["failureReasons"]
    codes = [reason["code"] for reason in reasons]
    assert codes == sorted(codes)
    assert {"EMPTY_CHAPTER", "INVALID_JSON", "INTERNAL_ERROR"} <= set(codes)
    assert all(reason["title"] and reason["action"] for reason in reasons)
