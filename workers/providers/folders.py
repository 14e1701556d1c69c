"""Read a folder that others write to, without following a link out of it."""

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from domain.runs.failures import FailureReason, ProducerError

MAX_FILE_BYTES = 16 * 1024 * 1024
MAX_FOLDER_DEPTH = 32
# More than a file's size, so that one call reads it.
_EXTRA_BYTES = 4096

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Nonblocking, so that a named pipe in the place of a file does not block the thread.
_OPEN_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_VANISHED = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


@dataclass(frozen=True, slots=True)
class Entry:
    """A JSON or YAML file below a folder, or the reason why it is not read.

    `ignored` is the reason to skip it; such an entry may be a whole folder.
    """

    path: tuple[str, ...]
    failure: ProducerError | None = None
    ignored: str | None = None


# Returns why to skip a path, which is a folder or not; None to read it.
WhyIgnored = Callable[[Sequence[str], bool], str | None]


@contextmanager
def _opened(root: Path, path: Sequence[str]) -> Iterator[int]:
    """Open the folder `path` below `root` and yield its descriptor.

    Each name is opened relative to the previous folder and without following links, so a link
    that appears at any moment has no effect.
    """
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in path:
            inner = os.open(name, _OPEN_FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def read_file(root: Path, path: Sequence[str]) -> bytes:
    """Return the content of a file of at most 16 MiB.

    Raises:
        ProducerError: FILE_TOO_LARGE, UNREADABLE_FILE, or CHANGED_WHILE_READING if the file is
            gone or a link has replaced it.
    """
    try:
        with _opened(root, path[:-1]) as folder:
            descriptor = os.open(path[-1], _OPEN_FILE, dir_fd=folder)
        try:
            return _content(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _failure(error) from None


def _content(descriptor: int) -> bytes:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise _special()
    size, pieces = status.st_size, []
    # A file object would take longer than all these calls. A file that grows has more pieces.
    while size <= MAX_FILE_BYTES and (piece := os.read(descriptor, size + _EXTRA_BYTES)):
        pieces.append(piece)
        size = max(size, sum(map(len, pieces)))
    if size > MAX_FILE_BYTES:
        raise ProducerError(
            FailureReason.FILE_TOO_LARGE,
            f"The file is larger than {MAX_FILE_BYTES // 1024**2} MiB.",
        )
    return b"".join(pieces)


def policy_files(root: Path, path: Sequence[str], why_ignored: WhyIgnored) -> Iterator[Entry]:
    """Yield every JSON or YAML file at any depth below the folder `path` of `root`, in any order.

    A link to a file inside the folder is skipped, because the file is listed by its name. An
    ignored folder is one entry. `root` must not contain links.

    Raises:
        OSError: the folder itself cannot be listed.
    """
    with _opened(root, path) as folder:
        yield from _listed(folder, root.joinpath(*path), (), why_ignored)


def _listed(
    folder: int, top: Path, path: tuple[str, ...], why_ignored: WhyIgnored
) -> Iterator[Entry]:
    with os.scandir(folder) as entries:
        members = list(entries)
    for entry in members:
        here = (*path, entry.name)
        try:
            is_folder = entry.is_dir(follow_symlinks=False)
            if ignored := why_ignored(here, is_folder):
                if is_folder or _is_policy(entry.name):
                    yield Entry(here, ignored=ignored)
            elif entry.is_symlink():
                yield from _link(top, here)
            elif is_folder:
                yield from _inner(folder, top, here, why_ignored)
            elif _is_policy(entry.name):
                regular = entry.is_file(follow_symlinks=False)
                yield Entry(here, None if regular else _special())
        except OSError as error:
            yield Entry(here, _failure(error))


def _inner(
    folder: int, top: Path, here: tuple[str, ...], why_ignored: WhyIgnored
) -> Iterator[Entry]:
    if len(here) > MAX_FOLDER_DEPTH:
        yield Entry(here, _unreadable(f"Folders are read at most {MAX_FOLDER_DEPTH} levels deep."))
        return
    inner = os.open(here[-1], _OPEN_FOLDER, dir_fd=folder)
    try:
        yield from _listed(inner, top, here, why_ignored)
    finally:
        os.close(inner)


def _link(top: Path, here: tuple[str, ...]) -> Iterator[Entry]:
    link = top.joinpath(*here)
    target = Path(os.path.realpath(link))
    try:
        mode = link.stat().st_mode
    except OSError:
        mode = 0
    named_policy, to_folder = _is_policy(link.name), stat.S_ISDIR(mode)
    if not target.is_relative_to(top):
        if named_policy or to_folder or not mode:
            yield Entry(
                here,
                ProducerError(FailureReason.OUTSIDE_SCOPE, "It is a link that leaves the scope."),
            )
    elif named_policy and not to_folder and not (stat.S_ISREG(mode) and _is_policy(target.name)):
        yield Entry(here, _unreadable("It is a link, but not to a JSON or YAML file."))


def is_yaml(name: str) -> bool:
    """Return whether a file's name says that it holds YAML."""
    return name.lower().endswith((".yaml", ".yml"))


def _is_policy(name: str) -> bool:
    return name.lower().endswith(".json") or is_yaml(name)


def _failure(error: OSError) -> ProducerError:
    if error.errno in _VANISHED:
        return ProducerError(
            FailureReason.CHANGED_WHILE_READING, "It was removed or replaced while it was read."
        )
    # str(error) would reveal a path of the server.
    return _unreadable(f"It cannot be read: {os.strerror(error.errno or errno.EIO)}.")


def _special() -> ProducerError:
    return _unreadable("It is not a regular file but a pipe, a socket or a device.")


def _unreadable(message: str) -> ProducerError:
    return ProducerError(FailureReason.UNREADABLE_FILE, message)
