"""What a person is told when the embedded servers cannot run."""


class EmbeddedServerError(Exception):
    """An embedded server cannot start; the message says why, and what to do about it."""
