"""`opsrun worker` on a mount that is dead: listing a folder that holds a pipe `hang` blocks.

It blocks in a system call, as on a dead mount, until a test opens the pipe to write.
"""

import os
from contextlib import suppress
from typing import Any

from opsrun.__main__ import main

PIPE = "hang"

_scandir = os.scandir


def _hanging_scandir(folder: Any) -> Any:
    if isinstance(folder, int):
        with suppress(FileNotFoundError):
            os.close(os.open(PIPE, os.O_RDONLY, dir_fd=folder))
    return _scandir(folder)


if __name__ == "__main__":
    vars(os)["scandir"] = _hanging_scandir
    main(["worker"])
