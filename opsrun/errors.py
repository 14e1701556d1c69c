"""Errors that the operator of this installation can fix."""


class OperatorError(Exception):
    """A command that fails with it prints the message, which says what to do, and no traceback."""
