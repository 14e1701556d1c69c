"""Errors that the operator of this installation can fix."""


class OperatorError(Exception):
    """Its message says what to do; the command line prints it without a traceback."""
