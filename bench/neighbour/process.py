"""The suite's entry to the product's processes: `python -m bench.neighbour.process worker`.

It is `opsrun worker` (or `api`, or `maintenance`). The one difference: a folder whose name begins
with `HUNG` never answers, as an export on a dead mount.
"""

import os
import sys
import threading
from typing import Any

from opsrun.__main__ import main as opsrun

HUNG = "hung"
_LISTINGS = ("scandir", "listdir", "open")


def hang_below(name: str) -> None:
    """Let every look into a folder whose name begins so block without an end."""
    for function in _LISTINGS:
        original = getattr(os, function)

        def look(path: Any = ".", *args: Any, _original: Any = original, **kwargs: Any) -> Any:
            if isinstance(path, str | os.PathLike) and f"{os.sep}{name}" in str(path):
                threading.Event().wait()
            return _original(path, *args, **kwargs)

        setattr(os, function, look)


if __name__ == "__main__":
    hang_below(HUNG)
    opsrun([sys.argv[1]])
