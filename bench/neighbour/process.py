"""Run a process of the product with exports that hang: `python -m bench.neighbour.process worker`.

It is `opsrun worker` (or `api`, or `maintenance`), except that reading a folder whose name begins
with `HUNG` blocks, as an export on a dead mount does.
"""

import os
import sys
import threading
from typing import Any

from opsrun.__main__ import main as opsrun

HUNG = "hung"


def hang_below(name: str) -> None:
    """Let every listing or opening below a folder whose name begins with `name` block forever."""
    for function in ("scandir", "listdir", "open"):
        original = getattr(os, function)

        def access(path: Any = ".", *args: Any, _original: Any = original, **kwargs: Any) -> Any:
            if isinstance(path, str | os.PathLike) and f"{os.sep}{name}" in str(path):
                threading.Event().wait()
            return _original(path, *args, **kwargs)

        setattr(os, function, access)


if __name__ == "__main__":
    hang_below(HUNG)
    opsrun([sys.argv[1]])
