"""What of an error may leave the server, for results and for streams."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar

import pytest
from graphql import GraphQLError
from strawberry.extensions import MaxAliasesLimiter, ParserCache, SchemaExtension
from strawberry.types import ExecutionResult

from domain.errors import ForbiddenError
from domain.tenancy.transactions import DatabaseUnavailableError, PoolBusyError
from gql.errors import (
    BUSY_MESSAGE,
    INTERNAL_MESSAGE,
    UNAVAILABLE_MESSAGE,
    public_error,
    public_errors,
)
from gql.execution import OpsrunSchema
from tests.gql.api import eventually
from tests.gql.transport.demo import SECRET, DemoContext, demo_schema


@pytest.fixture
def schema() -> OpsrunSchema:
    return demo_schema()


async def errors_of(schema: OpsrunSchema, query: str, **variables: object) -> list[dict[str, Any]]:
    result = await schema.execute(
        query, variable_values=variables, context_value=DemoContext("ada")
    )
    return formatted(result)


async def stream_errors(schema: OpsrunSchema, query: str) -> list[dict[str, Any]]:
    results = [
        result async for result in await schema.stream(query, context_value=DemoContext("ada"))
    ]
    return formatted(results[-1])


def formatted(result: ExecutionResult) -> list[dict[str, Any]]:
    return [dict(error.formatted) for error in result.errors or []]


def code_of(error: dict[str, Any]) -> object:
    return error["extensions"]["code"]


@pytest.mark.parametrize("code", ["UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND", "LIMIT_EXCEEDED"])
async def test_a_domain_error_keeps_its_message_and_code(
    schema: OpsrunSchema, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    [error] = await errors_of(schema, "query ($code: String!) { fails(code: $code) }", code=code)
    assert code_of(error) == code
    assert error["message"]
    assert error["path"] == ["fails"]
    assert error["locations"] == [{"line": 1, "column": 26}]
    assert caplog.records == []


@pytest.mark.parametrize("field", ["fails", "mayFail"])
async def test_an_unexpected_error_shows_an_error_id_and_nothing_else(
    schema: OpsrunSchema, field: str, caplog: pytest.LogCaptureFixture
) -> None:
    [error] = await errors_of(schema, f'{{ {field}(code: "INTERNAL") }}')
    assert error["message"] == INTERNAL_MESSAGE
    assert set(error["extensions"]) == {"code", "errorId"}
    assert code_of(error) == "INTERNAL"
    assert SECRET not in repr(error)

    [record] = caplog.records
    assert (record.name, record.levelno) == ("gql", logging.ERROR)
    assert getattr(record, "error_id") == error["extensions"]["errorId"]  # noqa: B009
    assert SECRET in caplog.text
    assert "Traceback" in caplog.text


async def test_a_value_that_does_not_fit_the_schema_is_our_fault_and_not_shown(
    schema: OpsrunSchema,
) -> None:
    [error] = await errors_of(schema, "{ tooBigForAnInt }")
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
async def test_a_fault_of_the_request_is_explained(
    schema: OpsrunSchema,
    query: str,
    variables: dict[str, object],
    hint: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    [error] = await errors_of(schema, query, **variables)
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
    schema: OpsrunSchema, query: str, cursor: str
) -> None:
    text = query.format(cursor=cursor)
    [error] = await errors_of(schema, text, **({"c": cursor} if "$c" in text else {}))
    assert code_of(error) == "BAD_USER_INPUT"
    assert "Expected value of type 'Cursor', found: " in error["message"]
    assert SECRET not in repr(error)


@pytest.mark.parametrize(
    "query", ["query ($c: Cursor!) { after(cursor: $c) }", '{ after(cursor: "foreign") }']
)
async def test_a_scalar_may_refuse_a_value_in_its_own_words(
    schema: OpsrunSchema, query: str
) -> None:
    [error] = await errors_of(schema, query, **({"c": "foreign"} if "$c" in query else {}))
    assert error["message"] == "This cursor is from another feed."
    assert code_of(error) == "BAD_USER_INPUT"


async def test_an_ambiguous_operation_is_refused(schema: OpsrunSchema) -> None:
    document = "query A { hello } query B { hello }"
    [error] = await stream_errors(schema, document)
    assert code_of(error) == "BAD_USER_INPUT"
    assert "operationName" in error["message"]
    chosen = await schema.execute(document, operation_name="B")
    assert chosen.data == {"hello": "Hello, world!"}


@pytest.mark.parametrize("query", ["{ hello", "{ goodbye }", "subscription { nope }", ""])
async def test_a_stream_explains_a_fault_of_the_request(schema: OpsrunSchema, query: str) -> None:
    errors = await stream_errors(schema, query)
    assert [code_of(error) for error in errors] == ["BAD_USER_INPUT"]


@pytest.mark.parametrize("first", [0, 2])
async def test_a_stream_that_breaks_hides_why(schema: OpsrunSchema, first: int) -> None:
    [error] = await stream_errors(
        schema, f'subscription {{ breaks(code: "INTERNAL", first: {first}) }}'
    )
    assert code_of(error) == "INTERNAL"
    assert SECRET not in repr(error)


async def test_a_stream_that_is_refused_says_so(schema: OpsrunSchema) -> None:
    [error] = await stream_errors(schema, 'subscription { breaks(code: "FORBIDDEN", first: 1) }')
    assert code_of(error) == "FORBIDDEN"


async def test_a_cached_parser_keeps_syntax_errors_visible() -> None:
    schema = demo_schema([lambda: ParserCache(maxsize=10)])
    for _ in range(2):
        [error] = await stream_errors(schema, "subscription { count(")
        assert "Syntax Error" in error["message"]
        assert code_of(error) == "BAD_USER_INPUT"


async def test_a_limit_of_the_document_is_a_fault_of_the_request() -> None:
    schema = demo_schema([lambda: MaxAliasesLimiter(max_alias_count=1)])
    [error] = await errors_of(schema, "{ a: hello b: hello }")
    assert code_of(error) == "BAD_USER_INPUT"


def break_down() -> None:
    raise RuntimeError(SECRET)


class BrokenAtStart(SchemaExtension):
    def on_operation(self) -> Iterator[None]:
        break_down()
        yield


class BrokenAtEnd(SchemaExtension):
    def on_operation(self) -> Iterator[None]:
        yield
        break_down()


class BrokenWhileValidating(SchemaExtension):
    def on_validate(self) -> Iterator[None]:
        break_down()
        yield


@pytest.mark.parametrize("extension", [BrokenAtStart, BrokenAtEnd, BrokenWhileValidating])
async def test_a_broken_extension_leaks_nothing(extension: type[SchemaExtension]) -> None:
    schema = demo_schema([extension])
    for errors in (
        await errors_of(schema, "{ hello }"),
        await stream_errors(schema, "subscription { count(to: 1) }"),
    ):
        assert [code_of(error) for error in errors] == ["INTERNAL"]
        assert SECRET not in repr(errors)


class Begun(SchemaExtension):
    open: ClassVar[list[SchemaExtension]] = []

    def on_operation(self) -> Iterator[None]:
        self.open.append(self)
        try:
            yield
        finally:
            self.open.remove(self)


class StuckAtStart(SchemaExtension):
    async def on_operation(self) -> AsyncIterator[None]:
        await asyncio.Event().wait()
        yield


@pytest.mark.parametrize("stuck", [False, True])
async def test_what_an_extension_began_ends_with_what_comes_next(stuck: bool) -> None:
    schema = demo_schema([Begun, StuckAtStart if stuck else BrokenAtStart])
    running = asyncio.create_task(schema.execute("{ hello }", context_value=DemoContext("ada")))
    if stuck:
        await eventually(lambda: len(Begun.open) == 1)
        running.cancel()
    # Whoever holds the outcome holds what was never ended.
    _outcome = (await asyncio.gather(running, return_exceptions=True))[0]
    assert Begun.open == []


class SeesCodes(SchemaExtension):
    seen: list[object] = []  # noqa: RUF012 - shared by all instances on purpose

    def on_operation(self) -> Iterator[None]:
        yield
        result = self.execution_context.result
        assert result is not None
        self.seen.extend((error.extensions or {})["code"] for error in result.errors or [])


async def test_other_extensions_see_the_mapped_errors() -> None:
    await errors_of(demo_schema([SeesCodes]), '{ fails(code: "FORBIDDEN") }')
    assert SeesCodes.seen == ["FORBIDDEN"]


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
    shown = public_error(GraphQLError("outer", original_error=inner))
    assert shown.code == "FORBIDDEN"
    assert shown.message == str(ForbiddenError())


def test_a_database_that_is_away_is_told_as_passing_and_without_its_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    error = public_error(DatabaseUnavailableError("connect to 10.0.0.7 failed"))
    assert (error.code, error.message) == ("UNAVAILABLE", UNAVAILABLE_MESSAGE)
    [record] = caplog.records
    assert (record.levelno, record.exc_info) == (logging.WARNING, None)
    assert "10.0.0.7" in record.getMessage()


def test_a_pool_that_is_busy_is_not_told_as_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    error = public_error(PoolBusyError("All 10 database connections were in use for 30 s"))
    assert (error.code, error.message) == ("UNAVAILABLE", BUSY_MESSAGE)
    assert "database connections" in error.message
    [record] = caplog.records
    assert (record.levelno, record.exc_info) == (logging.WARNING, None)
    assert record.getMessage().startswith("The database pool is exhausted: All 10 database")


def test_a_long_message_of_graphql_core_is_cut() -> None:
    error = public_error(GraphQLError("Unknown name: " + "x" * 10_000))
    assert len(error.message) < 600
    assert error.message.startswith("Unknown name: x")
