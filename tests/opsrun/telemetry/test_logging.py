"""Log records are written to stderr without their secrets."""

import asyncio
import gc
import logging
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Literal
from uuid import UUID, uuid4

import orjson
import pytest

from domain.log_context import bind_log_ids, log_context
from opsrun.telemetry.logging import configure_logging
from tests.domain.redaction.secrets_corpus import BASE62, chars, seeded

PASSWORD = "Dragon#471"
TOKEN = chars(seeded(5), BASE62, 20)
EMAIL = "ember.falcon@contoso.test"
LEAKY = f"postgresql://opsrun:{PASSWORD}@db/opsrun said 403 to Bearer {TOKEN} of {EMAIL}"

Format = Literal["text", "json"]
Captured = pytest.CaptureFixture[str]
logger = logging.getLogger("tests.logging")


@pytest.fixture(params=["text", "json"])
def log_format(request: pytest.FixtureRequest) -> Format:
    form: Format = request.param
    return form


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    root, audit = logging.getLogger(), logging.getLogger("audit")
    levels = root.level, audit.level
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    yield
    root.handlers[:] = [kept for kept in root.handlers if "pytest" in type(kept).__module__]
    for one, level in zip((root, audit), levels, strict=True):
        one.setLevel(level)
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    logging.captureWarnings(False)


def assert_safe(logged: str) -> None:
    assert logged
    for secret in (PASSWORD, TOKEN, EMAIL):
        assert secret not in logged
    assert "[redacted:url-credentials]@db/opsrun" in logged
    assert "[redacted:bearer-token]" in logged
    assert "[redacted:email]" in logged


def fail(text: str = LEAKY) -> None:
    raise ConnectionError(text)


def test_traceback_shows_no_secret(log_format: Format, capsys: Captured) -> None:
    configure_logging("INFO", log_format)
    error_id = uuid4().hex
    try:
        fail()
    except ConnectionError:
        logger.exception("Sync failed", extra={"error_id": error_id})

    logged = capsys.readouterr().err
    assert_safe(logged)
    assert error_id in logged
    assert "ConnectionError" in logged
    assert "in fail" in logged


def test_chained_exceptions_show_no_secret(log_format: Format, capsys: Captured) -> None:
    configure_logging("INFO", log_format)
    try:
        try:
            fail()
        except ConnectionError as error:
            raise ValueError(f"wrapped: {EMAIL}") from error
    except ValueError:
        logger.error("Sync failed", exc_info=True)

    logged = capsys.readouterr().err
    assert_safe(logged)
    assert "direct cause" in logged


def test_arguments_show_no_secret(log_format: Format, capsys: Captured) -> None:
    configure_logging("INFO", log_format)
    logger.error("Got %s", LEAKY)

    assert_safe(capsys.readouterr().err)


def test_exception_groups_and_notes_show_no_secret(log_format: Format, capsys: Captured) -> None:
    configure_logging("INFO", log_format)
    error = ValueError("first")
    error.add_note(LEAKY)
    logger.error("Several failed", exc_info=ExceptionGroup("both", [error]))

    assert_safe(capsys.readouterr().err)


def test_stack_is_written(log_format: Format, capsys: Captured) -> None:
    configure_logging("INFO", log_format)
    logger.info("Here", stack_info=True)

    assert "test_stack_is_written" in capsys.readouterr().err


@pytest.mark.parametrize("level", ["DEBUG", "WARNING", "ERROR"])
def test_the_audit_log_is_written_at_every_level(
    log_format: Format, level: str, capsys: Captured
) -> None:
    configure_logging(level, log_format)
    reason = "Your role may not do this."
    ids = {name: str(uuid4()) for name in ("actor_id", "tenant_id", "run_id", "request_id")}
    event = {"event": "run.start", "outcome": "done", "actor_kind": "SERVICE"}
    logged = {**event, **ids, "reason": reason, "repeated": "7"}
    logging.getLogger("audit").info("Audited", extra=logged)

    (line,) = capsys.readouterr().err.splitlines()
    if log_format == "json":
        written = orjson.loads(line)
        assert {**written, **logged, "logger": "audit", "message": "Audited"} == written
    else:
        start, _, fields = line.partition(" INFO audit: Audited ")
        assert start
        for name, value in logged.items():
            assert f"{name}={value}" in fields or f'{name}="{value}"' in fields
        assert f'reason="{reason}"' in fields


def test_warnings_show_no_secret(log_format: Format, capsys: Captured) -> None:
    configure_logging("INFO", log_format)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(LEAKY, stacklevel=1)

    assert_safe(capsys.readouterr().err)


def test_failure_in_a_thread_is_logged(log_format: Format, capsys: Captured) -> None:
    configure_logging("INFO", log_format)
    thread = threading.Thread(target=fail, name="reader")
    thread.start()
    thread.join()

    logged = capsys.readouterr().err
    assert_safe(logged)
    assert "reader" in logged


def test_unraisable_failure_is_logged(log_format: Format, capsys: Captured) -> None:
    configure_logging("INFO", log_format)

    class Untidy:
        def __del__(self) -> None:
            fail()

    Untidy()
    gc.collect()

    logged = capsys.readouterr().err
    assert_safe(logged)
    assert "Untidy" in logged


async def test_failure_of_a_forgotten_task_is_logged(log_format: Format, capsys: Captured) -> None:
    configure_logging("INFO", log_format)

    async def forgotten() -> None:
        fail()

    task = asyncio.create_task(forgotten())
    await asyncio.wait([task])
    del task
    gc.collect()

    logged = capsys.readouterr().err
    assert_safe(logged)
    assert "never retrieved" in logged


def test_uncaught_exception_of_a_program_is_logged(log_format: Format) -> None:
    program = (
        "from opsrun.telemetry.logging import configure_logging\n"
        f"configure_logging('INFO', {log_format!r})\n"
        f"raise SystemError({LEAKY!r})\n"
    )
    ended = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 1
    assert_safe(ended.stderr)
    assert "Uncaught exception" in ended.stderr


def test_a_record_at_interpreter_exit_is_logged(log_format: Format) -> None:
    program = (
        "import logging\n"
        "from opsrun.telemetry.logging import configure_logging\n"
        f"configure_logging('INFO', {log_format!r})\n"
        "class Late:\n"
        "    logger = logging.getLogger('late')\n"
        "    def __del__(self):\n"
        f"        self.logger.error({LEAKY!r})\n"
        "late = Late()\n"
    )
    ended = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert_safe(ended.stderr)


def test_record_that_cannot_be_formatted_shows_no_secret(
    log_format: Format, capsys: Captured
) -> None:
    configure_logging("INFO", log_format)
    logger.error("%d of " + EMAIL, f"Bearer {TOKEN}")

    logged = capsys.readouterr().err
    assert "test_logging.py" in logged
    assert TOKEN not in logged
    assert EMAIL not in logged


def test_record_that_cannot_be_formatted_is_one_object_with_its_ids(capsys: Captured) -> None:
    configure_logging("INFO", "json")
    with log_context(request_id="r-1"):
        logger.error("%d pieces", "no", extra={"run_id": "r-2", "event": b"?"})

    (line,) = capsys.readouterr().err.splitlines()
    logged = orjson.loads(line)
    assert (logged["level"], logged["request_id"], logged["run_id"]) == ("ERROR", "r-1", "r-2")
    assert "could not be logged: %d pieces" in logged["message"]
    assert "TypeError" in logged["traceback"]


def test_invalid_unicode_is_written_escaped(capsys: Captured) -> None:
    configure_logging("INFO", "json")
    logging.getLogger("audit").info("Audited", extra={"event": "e", "reason": "no \ud800"})

    logged = orjson.loads(capsys.readouterr().err)
    assert (logged["event"], logged["reason"]) == ("e", "no \\ud800")


def test_closed_stream_raises_nothing(
    log_format: Format, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with (tmp_path_factory.mktemp("logs") / "log").open("w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        configure_logging("INFO", log_format)
    logger.info("Too late")


def test_libraries_write_through_the_one_handler(log_format: Format, capsys: Captured) -> None:
    names = ["uvicorn.error", "uvicorn.access", "taskiq", "alembic.runtime", "asyncio"]
    names += ["strawberry.execution", "sqlalchemy.engine"]
    own = logging.StreamHandler(sys.stdout)
    for name in names:
        logging.getLogger(name).addHandler(own)
        logging.getLogger(name).propagate = False

    configure_logging("INFO", log_format)
    for name in names:
        logging.getLogger(name).warning("from %s", name)

    captured = capsys.readouterr()
    assert captured.out == ""
    assert [captured.err.count(f"from {name}") for name in names] == [1] * len(names)


def test_configuring_twice_writes_once(capsys: Captured) -> None:
    configure_logging("INFO", "text")
    configure_logging("WARNING", "text")
    logger.info("quiet")
    logger.warning("loud")

    assert capsys.readouterr().err.count("loud") == 1


def test_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="LOUD"):
        configure_logging("LOUD", "text")


def test_json_is_one_object_a_line_with_the_given_ids(capsys: Captured) -> None:
    configure_logging("INFO", "json")
    run_id = UUID(int=7, version=4)
    ids = {
        "error_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "span_id": "00f067aa0ba902b7",
        "tenant_id": "acme",
    }
    logger.info("first\nline", extra={**ids, "run_id": run_id, "password": PASSWORD})
    try:
        fail()
    except ConnectionError:
        logger.exception("second", extra={"request_id": f"Bearer {TOKEN}"})

    first, second = map(orjson.loads, capsys.readouterr().err.splitlines())
    assert first.pop("time").endswith("+00:00")
    assert first == {
        "level": "INFO",
        "logger": "tests.logging",
        "message": "first\nline",
        "run_id": str(run_id),
        **ids,
    }
    assert second["traceback"].startswith("Traceback (most recent call last):")
    assert TOKEN not in second["request_id"]


def test_a_message_cannot_imitate_a_record(capsys: Captured) -> None:
    configure_logging("INFO", "text")
    logger.info("one\n2026-01-01T00:00:00.000+00:00 CRITICAL opsrun: two")

    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("INFO tests.logging: one")
    assert second.startswith("    2026")


def test_lines_carry_the_ids_of_their_context(log_format: Format, capsys: Captured) -> None:
    configure_logging("INFO", log_format)
    with log_context(request_id="r-1", tenant_id=UUID(int=7)):
        with log_context(run_id="r-2"):
            logger.info("Within")
        logger.info("Own", extra={"request_id": "of the call"})
    logger.info("After")
    within, own, after = capsys.readouterr().err.splitlines()
    for known in ("r-1", str(UUID(int=7)), "r-2"):
        assert known in within
    assert "r-2" not in own
    assert "of the call" in own
    assert "r-1" not in own
    assert "tenant_id" not in after


async def test_tasks_inherit_the_ids_and_keep_their_own(capsys: Captured) -> None:
    configure_logging("INFO", "json")

    async def task(number: int) -> None:
        bind_log_ids(run_id=number)
        await asyncio.sleep(0)
        logger.info("In a task")

    with log_context(request_id="r-1"):
        await asyncio.gather(task(1), task(2))
        logger.info("Outside")
    lines = [orjson.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line.get("run_id") for line in lines] == ["1", "2", None]
    assert {line["request_id"] for line in lines} == {"r-1"}
