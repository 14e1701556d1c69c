"""The CPU time and memory of processes."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import process_time

from bench.cpu import cpu_seconds, family_cpu_seconds, resident_bytes

# CPU seconds that a program below uses, and the most that starting Python adds.
BURNT, STARTING = 0.3, 0.3
BURN = f"""
import time
def burn():
    while time.thread_time() < {BURNT}:
        pass
"""
WAIT = "print('done', flush=True); input()"


@contextmanager
def done(program: str) -> Iterator[int]:
    """Run a program until it prints `done`; yield its process id while it waits."""
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"done\n"
        yield process.pid
        process.kill()


def test_the_time_of_a_process_includes_its_threads() -> None:
    threads = "import threading; thread = threading.Thread(target=burn); thread.start(); burn()"
    with done(f"{BURN}{threads}; thread.join(); {WAIT}") as pid:
        assert 2 * BURNT - 0.05 <= cpu_seconds(pid) <= 2 * BURNT + STARTING


def test_the_time_of_a_waiting_process_stands_still() -> None:
    with done(f"{BURN}{WAIT}") as pid:
        before, until = cpu_seconds(pid), process_time() + BURNT
        while process_time() < until:
            pass
        assert cpu_seconds(pid) == before


def test_the_time_of_a_family_includes_grandchildren() -> None:
    middle = (
        "import subprocess, sys\n"
        f"command = [sys.executable, '-c', {f'{BURN}burn(); {WAIT}'!r}]\n"
        "child = subprocess.Popen(command, stdin=-1, stdout=-1); child.stdout.readline()\n"
        f"{WAIT}"
    )
    parent = (
        f"import subprocess, sys; command = [sys.executable, '-c', {middle!r}]\n"
        "child = subprocess.Popen(command, stdin=-1, stdout=-1); child.stdout.readline()\n"
        f"{WAIT}"
    )
    with done(parent) as pid:
        assert cpu_seconds(pid) < BURNT
        assert BURNT - 0.05 <= family_cpu_seconds(pid) <= BURNT + 3 * STARTING


def test_the_time_of_a_family_includes_running_and_ended_children() -> None:
    children = (
        f"import subprocess, sys; command = [sys.executable, '-c', {f'{BURN}burn(); {WAIT}'!r}]\n"
        "ended, running = [subprocess.Popen(command, stdin=-1, stdout=-1) for _ in range(2)]\n"
        "for child in (ended, running): child.stdout.readline()\n"
        f"ended.communicate(b'x'); {WAIT}"
    )
    with done(children) as pid:
        assert cpu_seconds(pid) < BURNT
        assert 2 * BURNT - 0.05 <= family_cpu_seconds(pid) <= 2 * BURNT + 3 * STARTING


def test_the_memory_of_a_process_includes_what_it_wrote() -> None:
    size = 50_000_000
    with done(f"data = bytearray(b'x' * {size}); {WAIT}") as large, done(WAIT) as small:
        assert 0.95 * size < resident_bytes(large) - resident_bytes(small) < 1.3 * size
