"""CPU time and memory of processes, as Linux counts them in /proc."""

import os
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# Positions after the name in /proc/PID/stat, see proc(5). `utime` and `stime` are the process's
# own time, `cutime` and `cstime` that of children that have ended.
_PARENT, _TIMES, _WITH_ENDED_CHILDREN = 1, slice(11, 13), slice(11, 15)


def cpu_seconds(pid: int) -> float:
    """Return the user and system time of a process, of all its threads."""
    return _seconds(_stat(pid)[_TIMES])


def family_cpu_seconds(pid: int) -> float:
    """Return the time of a process, its children and theirs, such as Postgres' backends.

    Children that have ended count as well, so the figure never decreases.
    """
    times, children = dict[int, float](), dict[int, list[int]]()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            stat = _stat(int(entry.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
        times[int(entry.name)] = _seconds(stat[_WITH_ENDED_CHILDREN])
        children.setdefault(int(stat[_PARENT]), []).append(int(entry.name))

    def total(process: int) -> float:
        return times[process] + sum(map(total, children.get(process, ())))

    return total(pid)


def resident_bytes(pid: int) -> int:
    """Return the memory of a process that is in RAM, shared pages included."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES


def _stat(pid: int) -> list[str]:
    # The name is in parentheses, and may contain spaces and parentheses.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _seconds(ticks: list[str]) -> float:
    return sum(map(int, ticks)) / _TICKS_PER_SECOND
