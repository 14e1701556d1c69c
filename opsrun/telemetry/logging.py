"""Logs to stderr, as text or as JSON lines, without secrets.

One handler writes the records of the program and its libraries, warnings, and uncaught exceptions.
Its formatter sanitizes all of them.
"""

import logging
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, TextIO

import orjson

from domain.log_context import log_ids
from domain.redaction.sanitizer import sanitize

IDS = ("error_id", "run_id", "tenant_id", "request_id", "trace_id", "span_id")
"""The fields of `extra` and `log_ids` that are logged; others are ignored."""

AUDIT = (
    *("event", "outcome", "actor_id", "actor_kind", "run_type"),
    *("error_code", "transport", "reason", "repeated"),
)
"""More fields of the logger `audit`; they are logged at every level, and not sanitized."""

# They log URLs, headers and tokens below this level.
_QUIET = ("httpcore", "httpx", "msal")
_LIBRARIES = ("alembic", "asyncio", "sqlalchemy", "strawberry", "taskiq", "uvicorn")

logger = logging.getLogger(__name__)


def configure_logging(level: str, log_format: Literal["text", "json"]) -> None:
    """Log sanitized records of `level` and above to stderr; another call replaces the setup.

    Raises:
        ValueError: `level` is unknown.
    """
    sanitize("")  # Its first call imports modules, which can fail while the interpreter exits.
    handler = _SafeHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if log_format == "json" else _TextFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in _LIBRARIES:
            library = logging.getLogger(name)
            library.handlers.clear()
            library.propagate = True
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("audit").setLevel(logging.INFO)
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread
    sys.unraisablehook = _log_unraisable


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        ids = "".join(f" {name}={_quoted(value)}" for name, value in _ids(record))
        traces = "".join(f"\n{trace}" for _, trace in _traces(record))
        text = f"{sanitize(record.getMessage())}{ids}{traces}"
        # Indented, so that a line of a message never looks like another record.
        text = text.replace("\n", "\n    ")
        return f"{_time(record)} {record.levelname} {record.name}: {text}"


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": sanitize(record.getMessage()),
            **dict(_ids(record)),
            **dict(_traces(record)),
        }
        try:
            return orjson.dumps(fields).decode()
        except orjson.JSONEncodeError:  # most likely a lone surrogate
            plain = {
                name: str(value).encode(errors="backslashreplace").decode()
                for name, value in fields.items()
            }
            return orjson.dumps(plain).decode()


class _SafeHandler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        # The inherited method prints the message and its arguments unsanitized.
        with suppress(Exception):
            place = f"{record.pathname}:{record.lineno}"
            fields = {name: value for name, value in vars(record).items() if name not in AUDIT}
            fields["msg"] = f"A record of {place} could not be logged: {record.msg}"
            fields |= {"args": None, "exc_info": sys.exc_info(), "stack_info": None}
            self.stream.write(self.format(logging.makeLogRecord(fields)) + self.terminator)
            self.flush()


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _ids(record: logging.LogRecord) -> Iterator[tuple[str, str]]:
    for name in AUDIT:
        if (value := getattr(record, name, None)) is not None:
            yield name, value
    context = log_ids()
    for name in IDS:
        if (value := getattr(record, name, context.get(name))) is not None:
            # Some ids look like keys; with the name in front, `sanitize` knows that they are ids.
            yield name, sanitize(f"{name}={value}").removeprefix(f"{name}=")


def _quoted(value: str) -> str:
    return orjson.dumps(value).decode() if " " in value else value


def _traces(record: logging.LogRecord) -> Iterator[tuple[str, str]]:
    if record.exc_info and record.exc_info[0]:
        yield "traceback", sanitize("".join(traceback.format_exception(*record.exc_info)).rstrip())
    elif record.exc_text:
        yield "traceback", sanitize(record.exc_text)
    if record.stack_info:
        yield "stack", sanitize(record.stack_info)


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    logger.critical("Uncaught exception", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value and args.exc_type is not SystemExit:
        name = args.thread.name if args.thread else "unknown"
        trace = (args.exc_type, args.exc_value, args.exc_traceback)
        logger.critical("Uncaught exception in thread %s", name, exc_info=trace)


def _log_unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    what = unraisable.err_msg or "Exception ignored in"
    if unraisable.exc_value:
        trace = (unraisable.exc_type, unraisable.exc_value, unraisable.exc_traceback)
        logger.error("%s: %r", what, unraisable.object, exc_info=trace)
