"""The oracle accepts what the API promises, and rejects everything else."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fuzz.oracle import Log, check_answer, check_close, check_message, is_alarming

RESPONSE = "application/graphql-response+json"
GOOD = {"data": {"viewer": None}}


def error(code: str = "NOT_FOUND", message: Any = "It is gone.") -> dict[str, Any]:
    return {"errors": [{"message": message, "extensions": {"code": code}}]}


def answer(body: Any, status: int = 200, media_type: str = RESPONSE) -> httpx.Response:
    text = body if isinstance(body, str) else json.dumps(body)
    return httpx.Response(status, text=text, headers={"Content-Type": media_type})


@pytest.mark.parametrize(
    ("good", "codes"),
    [
        (answer(GOOD), set()),
        (answer({**GOOD, "extensions": {"cost": 3}}), set()),
        (answer(error("LIMIT_EXCEEDED"), 400), {"LIMIT_EXCEEDED"}),
        (answer(error("RATE_LIMITED"), 429, "application/json"), {"RATE_LIMITED"}),
        (answer(": nothing yet\n", 200, "text/event-stream"), set()),
    ],
)
def test_it_accepts_what_the_api_promises(good: httpx.Response, codes: set[str]) -> None:
    assert check_answer(good) == codes


@pytest.mark.parametrize(
    "bad",
    [
        answer(error(), 500),
        answer(error("UNAVAILABLE"), 503),
        answer(error(), 418),
        answer(error("INTERNAL")),
        answer(error("MADE_UP")),
        answer(error(message=None)),
        answer(error(message="")),
        answer({"errors": [{"message": "No code."}]}),
        answer({"errors": []}),
        answer({"errors": {}}),
        answer({"data": []}),
        answer({"data": None, "more": 1}),
        answer({}),
        answer([]),
        answer("{"),
        answer("<h1>It works</h1>", 200, "text/html"),
        answer(": nothing yet\n", 400, "text/event-stream"),
    ],
)
def test_it_rejects_a_bad_response(bad: httpx.Response) -> None:
    with pytest.raises(AssertionError):
        check_answer(bad)


@pytest.mark.parametrize(
    "line",
    [
        "Traceback (most recent call last):",
        '{"level": "ERROR", "message": "Unexpected error"}',
        '{"level": "WARNING", "logger": "py.warnings", "message": "never awaited"}',
        '{"level": "INFO", "message": "ended", "traceback": "Traceback"}',
    ],
)
def test_it_rejects_a_log(line: str, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text('{"level": "INFO"}\n')
    log = Log(path)
    log.check()
    with path.open("a") as file:
        file.write(line)
    log.check()  # an incomplete line is not checked
    with path.open("a") as file:
        file.write("\n")
    with pytest.raises(AssertionError, match="The log shows"):
        log.check()


def test_it_accepts_a_warning_of_the_product() -> None:
    assert not is_alarming('{"level": "WARNING", "logger": "audit", "message": "refused"}')


@pytest.mark.parametrize(
    "message",
    [
        "{",
        "[]",
        '{"type": "connection_keep_alive"}',
        '{"type": "next", "payload": {"data": null}}',
        '{"type": "next", "id": "1", "payload": {}}',
        '{"type": "error", "id": "1", "payload": []}',
        json.dumps({"type": "error", "id": "1", "payload": error("INTERNAL")["errors"]}),
    ],
)
def test_it_rejects_a_message(message: str) -> None:
    with pytest.raises(AssertionError):
        check_message(message)


@pytest.mark.parametrize("code", [None, 1005, 1006, 1011, 4500])
def test_it_rejects_a_close_code(code: int | None) -> None:
    with pytest.raises(AssertionError):
        check_close(code, "")
