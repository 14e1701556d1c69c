"""Clients see errors in their public form, in results and in streams."""

import asyncio
import logging
from typing import Any

import pytest
from graphql import GraphQLError, OperationType
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types import ExecutionResult

from domain.errors import ForbiddenError
from domain.tenancy.session import DatabaseUnavailableError
from domain.tenancy.transactions import PoolBusyError
from gql.documents.reader import DocumentReader
from gql.errors import (
    BUSY_MESSAGE,
    INTERNAL_MESSAGE,
    UNAVAILABLE_MESSAGE,
    public_error,
    public_errors,
)
from gql.execution import Operations
from gql.limits.cost import CostModel
from gql.observation import Observation
from gql.request import GraphQLParams
from tests.gql.transport.demo import SECRET, NoBudgets, demo_context, demo_operations


@pytest.fixture
def operations() -> Operations:
    return demo_operations()


async def execute(operations: Operations, query: str, **variables: object) -> ExecutionResult:
    params = GraphQLParams(query, variables)
    return await operations.execute(params, await demo_context(), frozenset(OperationType))


async def errors_of(
    operations: Operations, query: str, **variables: object
) -> list[dict[str, Any]]:
    return formatted(await execute(operations, query, **variables))


async def stream_errors(operations: Operations, query: str) -> list[dict[str, Any]]:
    results = operations.stream(GraphQLParams(query), await demo_context())
    return formatted([result async for result in results][-1])


def formatted(result: ExecutionResult) -> list[dict[str, Any]]:
    return [dict(error.formatted) for error in result.errors or []]


def code_of(error: dict[str, Any]) -> object:
    return error["extensions"]["code"]


@pytest.mark.parametrize("code", ["UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND", "LIMIT_EXCEEDED"])
async def test_a_domain_error_keeps_its_message_and_code(
    operations: Operations, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    [error] = await errors_of(
        operations, "query ($code: String!) { fails(code: $code) }", code=code
    )
    assert code_of(error) == code
    assert error["message"]
    assert error["path"] == ["fails"]
    assert error["locations"] == [{"line": 1, "column": 26}]
    assert caplog.records == []


@pytest.mark.parametrize("field", ["fails", "mayFail"])
async def test_an_unexpected_error_shows_only_an_error_id(
    operations: Operations, field: str, caplog: pytest.LogCaptureFixture
) -> None:
    [error] = await errors_of(operations, f'{{ {field}(code: "INTERNAL") }}')
    assert error["message"] == INTERNAL_MESSAGE
    assert set(error["extensions"]) == {"code", "errorId"}
    assert code_of(error) == "INTERNAL"
    assert SECRET not in repr(error)

    [record] = caplog.records
    assert (record.name, record.levelno) == ("gql", logging.ERROR)
    assert getattr(record, "error_id") == error["extensions"]["errorId"]  # noqa: B009
    assert SECRET in caplog.text
    assert "Traceback" in caplog.text


async def test_a_value_that_does_not_fit_the_schema_is_an_internal_error(
    operations: Operations,
) -> None:
    [error] = await errors_of(operations, "{ tooBigForAnInt }")
    assert code_of(error) == "INTERNAL"
    assert str(2**40 + 7) not in repr(error)


@pytest.mark.parametrize(
    ("query", "variables", "hint"),
    [
        ("{ hello", {}, "Syntax Error"),
        ("{ goodbye }", {}, "Cannot query field 'goodbye'"),
        ("query ($n: String!) { hello(name: $n) }", {}, "$n"),
        ("query ($n: String!) { hello(name: $n) }", {"n": 7}, "$n"),
        ("query ($n: String = null) { hello(name: $n) }", {"n": None}, "'name'"),
        ("{a" * 5000, {}, "nested"),
    ],
)
async def test_an_error_of_the_request_is_explained(
    operations: Operations,
    query: str,
    variables: dict[str, object],
    hint: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    [error] = await errors_of(operations, query, **variables)
    assert code_of(error) == "BAD_USER_INPUT"
    assert hint in error["message"]
    assert caplog.records == []


@pytest.mark.parametrize("cursor", ["crash", "mean"])
@pytest.mark.parametrize(
    "query",
    [
        "query ($c: Cursor!) {{ after(cursor: $c) }}",
        '{{ after(cursor: "{cursor}") }}',
        'query ($unused: Cursor! = "{cursor}") {{ after(cursor: $unused) }}',
    ],
)
async def test_an_exception_of_a_scalar_is_not_quoted(
    operations: Operations, query: str, cursor: str
) -> None:
    text = query.format(cursor=cursor)
    [error] = await errors_of(operations, text, **({"c": cursor} if "$c" in text else {}))
    assert code_of(error) == "BAD_USER_INPUT"
    assert "Expected value of type 'Cursor', found: " in error["message"]
    assert SECRET not in repr(error)


@pytest.mark.parametrize(
    "query", ["query ($c: Cursor!) { after(cursor: $c) }", '{ after(cursor: "foreign") }']
)
async def test_a_scalar_may_explain_why_it_refuses_a_value(
    operations: Operations, query: str
) -> None:
    [error] = await errors_of(operations, query, **({"c": "foreign"} if "$c" in query else {}))
    assert error["message"] == "This cursor is from another feed."
    assert code_of(error) == "BAD_USER_INPUT"


async def test_an_ambiguous_operation_is_refused(operations: Operations) -> None:
    document = "query A { hello } query B { hello }"
    [error] = await stream_errors(operations, document)
    assert code_of(error) == "BAD_USER_INPUT"
    assert "operationName" in error["message"]
    chosen = await operations.execute(
        GraphQLParams(document, operation_name="B"), await demo_context(), {OperationType.QUERY}
    )
    assert chosen.data == {"hello": "Hello, world!"}


@pytest.mark.parametrize("query", ["{ hello", "{ goodbye }", "subscription { nope }", ""])
async def test_a_stream_explains_an_error_of_the_request(
    operations: Operations, query: str
) -> None:
    errors = await stream_errors(operations, query)
    assert [code_of(error) for error in errors] == ["BAD_USER_INPUT"]


@pytest.mark.parametrize("first", [0, 2])
async def test_a_stream_that_breaks_hides_its_reason(operations: Operations, first: int) -> None:
    [error] = await stream_errors(
        operations, f'subscription {{ breaks(code: "INTERNAL", first: {first}) }}'
    )
    assert code_of(error) == "INTERNAL"
    assert SECRET not in repr(error)


async def test_a_refused_stream_shows_its_reason(operations: Operations) -> None:
    [error] = await stream_errors(
        operations, 'subscription { breaks(code: "FORBIDDEN", first: 1) }'
    )
    assert code_of(error) == "FORBIDDEN"


async def test_a_syntax_error_stays_visible_when_it_is_repeated(operations: Operations) -> None:
    for _ in range(2):
        [error] = await stream_errors(operations, "subscription { count(")
        assert "Syntax Error" in error["message"]
        assert code_of(error) == "BAD_USER_INPUT"


async def test_a_limit_of_the_document_is_explained() -> None:
    [error] = await errors_of(demo_operations(aliases=1), "{ a: hello b: hello }")
    assert code_of(error) == "LIMIT_EXCEEDED"
    assert "1 aliases" in error["message"]


STEPS = [
    (NoBudgets, "require"),
    (DocumentReader, "read"),
    (CostModel, "cost"),
    (NoBudgets, "spend"),
    (StrawberryGraphQLCoreExecutionContext, "build"),
]


@pytest.mark.parametrize(("owner", "step"), STEPS)
async def test_a_broken_step_leaks_nothing(
    operations: Operations, monkeypatch: pytest.MonkeyPatch, owner: type, step: str
) -> None:
    def break_down(*_: object, **__: object) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(owner, step, break_down)
    for errors in (
        await errors_of(operations, "{ hello }"),
        await stream_errors(operations, "subscription { count(to: 1) }"),
    ):
        assert [code_of(error) for error in errors] == ["INTERNAL"]
        assert SECRET not in repr(errors)


@pytest.mark.parametrize("is_stuck", [False, True])
async def test_an_operation_that_is_never_admitted_is_still_observed(
    operations: Operations, monkeypatch: pytest.MonkeyPatch, is_stuck: bool
) -> None:
    reading, context = asyncio.Event(), await demo_context()
    observations: list[Observation] = []
    ended: list[Observation] = []
    end = Observation.end

    async def read(*_: object) -> None:
        assert context.request.observation is not None
        observations.append(context.request.observation)
        reading.set()
        if not is_stuck:
            raise RuntimeError(SECRET)
        await asyncio.Event().wait()

    def note_end(observation: Observation) -> None:
        ended.append(observation)
        end(observation)

    monkeypatch.setattr(DocumentReader, "read", read)
    monkeypatch.setattr(Observation, "end", note_end)
    running = asyncio.create_task(
        operations.execute(GraphQLParams("{ hello }"), context, {OperationType.QUERY})
    )
    await reading.wait()
    running.cancel()
    await asyncio.wait([running])
    assert ended == observations
    assert context.request.observation is None


def test_one_cause_has_one_trace_however_many_fields_it_broke(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cause = RuntimeError(SECRET)
    first, second = public_errors(
        GraphQLError(SECRET, path=[n], original_error=cause) for n in (1, 2)
    )
    assert first.extensions == second.extensions
    assert (first.path, second.path) == ([1], [2])
    assert len(caplog.records) == 1


def test_mapping_twice_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    once = public_error(RuntimeError(SECRET))
    assert public_error(once) is once
    assert len(caplog.records) == 1


def test_a_wrapped_domain_error_is_found() -> None:
    inner = GraphQLError("inner", original_error=ForbiddenError())
    error = public_error(GraphQLError("outer", original_error=inner))
    assert error.code == "FORBIDDEN"
    assert error.message == str(ForbiddenError())


def test_an_unavailable_database_is_reported_without_its_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    error = public_error(DatabaseUnavailableError("connect to 10.0.0.7 failed"))
    assert (error.code, error.message) == ("UNAVAILABLE", UNAVAILABLE_MESSAGE)
    [record] = caplog.records
    assert (record.levelno, record.exc_info) == (logging.WARNING, None)
    assert "10.0.0.7" in record.getMessage()


def test_a_busy_pool_is_not_reported_as_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    error = public_error(PoolBusyError("All 10 database connections were in use for 30 s"))
    assert (error.code, error.message) == ("UNAVAILABLE", BUSY_MESSAGE)
    assert "database connections" in error.message
    [record] = caplog.records
    assert (record.levelno, record.exc_info) == (logging.WARNING, None)
    assert record.getMessage().startswith("The database pool is exhausted: All 10 database")


def test_a_long_message_of_graphql_core_is_truncated() -> None:
    error = public_error(GraphQLError("Unknown name: " + "x" * 10_000))
    assert len(error.message) < 600
    assert error.message.startswith("Unknown name: x")
