import signal
from pathlib import Path

import pytest

from opsrun.dev.embedded import EmbeddedServerError, child
from opsrun.dev.embedded.child import Child, spawn
from tests.opsrun.dev.embedded.observing import until


def start(folder: Path, program: str, *, stop_signal: signal.Signals = signal.SIGINT) -> Child:
    return spawn(
        "Sample",
        ["/bin/sh", "-c", program],
        account=None,
        folder=folder,
        log=folder / "sample.log",
        stop_signal=stop_signal,
        stdin="a secret",
    )


async def test_the_report_shows_the_end_of_the_log(tmp_path: Path) -> None:
    sample = start(tmp_path, "for n in $(seq 5000); do echo line $n; done; cat; exit 3")
    assert await sample.wait() == 3
    assert sample.exit_report().startswith("Sample ended with code 3.")
    assert sample.exit_report().splitlines()[-2:] == ["line 5000", "a secret"]
    assert len(sample.exit_report().splitlines()) == 21


async def test_every_start_empties_the_log(tmp_path: Path) -> None:
    await start(tmp_path, "echo first").wait()
    sample = start(tmp_path, "echo second")
    await sample.wait()
    assert sample.log_tail() == "second"


async def test_a_child_that_ignores_its_stop_signal_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "STOP_SECONDS", 0.05)
    sample = start(tmp_path, "trap '' INT; echo deaf; while :; do sleep 1; done")
    await until(lambda: sample.log_tail() == "deaf")
    await sample.stop()
    assert "was killed by signal 9" in sample.exit_report()


async def test_stopping_twice_is_harmless(tmp_path: Path) -> None:
    sample = start(tmp_path, "sleep 60", stop_signal=signal.SIGTERM)
    await sample.stop()
    await sample.stop()
    assert sample.ended


def test_a_program_that_does_not_exist_is_reported(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedServerError, match="no-such-program"):
        spawn(
            "Sample",
            ["/no-such-program"],
            account=None,
            folder=tmp_path,
            log=tmp_path / "sample.log",
            stop_signal=signal.SIGINT,
            stdin="",
        )


async def test_the_owners_environment_stays_with_the_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSRUN_DATABASE_URL", "postgresql://secret")
    sample = start(tmp_path, "env")
    await sample.wait()
    assert "secret" not in sample.log_tail()
