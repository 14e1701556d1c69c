"""What users see of a run whose type another package declares; its code and data may be wrong."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from domain.redaction.sanitizer import sanitize
from domain.runs.models import OperationRun
from domain.runs.run_types import Link, run_types

logger = logging.getLogger(__name__)

MAX_LINKS = 20
_TEXT_LENGTH = 2000
_TITLE_LENGTH = 200


def context_to_show(run: OperationRun) -> Mapping[str, Any]:
    """Return the run's parameters; those of another package's run type without secrets."""
    if run_types().is_built_in(run.run_type):
        return run.context
    sanitized: Mapping[str, Any] = _sanitized(run.context)
    return sanitized


def _sanitized(value: Any) -> Any:
    if isinstance(value, str):
        return sanitize(value, max_length=_TEXT_LENGTH)
    if isinstance(value, Mapping):
        return {key: _sanitized(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_sanitized(member) for member in value]
    return value


def links_of(run: OperationRun) -> Sequence[Link]:
    """Return the links that the run's type makes; none if its code fails."""
    run_type = run_types().get(run.run_type)
    if run_type is None or run_type.links is None:
        return []
    try:
        links = list(run_type.links(run))[:MAX_LINKS]
        return [
            Link(sanitize(link.title, max_length=_TITLE_LENGTH), link.url)
            for link in links
            # A URL of another scheme, such as `javascript:`, could run code in a browser.
            if urlsplit(link.url).scheme in ("https", "http") and len(link.url) <= _TEXT_LENGTH
        ]
    except Exception:
        logger.exception("The links of %s failed", run.run_type)
        return []
