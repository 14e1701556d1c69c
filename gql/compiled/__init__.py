"""Compiled execution for any Strawberry schema; README.md documents it.

This package imports nothing else of this project.
"""

from .executor import CompiledExecutor

__all__ = ["CompiledExecutor"]
