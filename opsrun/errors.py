"""Errors that an operator can fix."""


class OperatorError(Exception):
    """The command line prints its message, which explains what to do, without a traceback."""
