"""The error of embedded servers."""

from opsrun.errors import OperatorError


class EmbeddedServerError(OperatorError):
    """A server or another child process failed; the message explains why and what to do."""
