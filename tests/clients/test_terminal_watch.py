"""`client-examples/terminal-watch`: bars or lines, without missed or repeated events."""

import signal
from pathlib import Path

import pytest

from tests.acts import export, policy
from tests.clients.conftest import CLOSED_PORT, Fault, Line, Product, assert_nothing_missed
from tests.clients.environments import Example
from tests.clients.terminals import CTRL_C, in_terminal
from tests.opsrun.commands import Command

SCRIPT = "watch.py"
LIVE = ", live"


@pytest.fixture(scope="session")
def example(terminal_watch: Path) -> Example:
    return Example(terminal_watch)


async def assert_interruptible(script: Command) -> None:
    """Check that Ctrl-C ends the script cleanly."""
    code, _ = await script.stop(signal.SIGINT)
    assert code == 0, script.output
    assert "Traceback" not in script.output


def test_the_generated_models_and_the_scripts_are_strictly_typed(example: Example) -> None:
    example.call(example.tool("mypy"))


async def test_it_reports_progress_and_failures(example: Example, product: Product) -> None:
    async with example.script(SCRIPT, environment=product.environment()) as script:
        await script.prints("0 active in ")
        export(product.place, policy("a"), policy("b"))
        await product.start_sync()
        assert (
            "inventory.sync  SUCCEEDED            2 of 2 succeeded  0:00:0"
            in await script.prints("SUCCEEDED")
        )

        export(product.place, policy("a"), {"id": "broken"}, {"id": "worse"})
        await product.start_sync()
        said = await script.prints("PARTIALLY_SUCCEEDED")
        assert "1 of 3 succeeded, 2 failed" in said
        assert "  2 × " in said

        await product.start_sync("nowhere")
        assert "  1 × The scope does not exist." in await script.prints("FAILED")
        await assert_interruptible(script)
    assert "#1   inventory.sync  QUEUED" in script.output
    assert "\x1b" not in script.output


async def test_it_shows_only_the_runs_that_match_the_filter(
    example: Example, product: Product
) -> None:
    export(product.place, policy("a"))
    arguments = ("--type", "inventory.sync", "--bucket", "FAILED", "--bucket", "SUCCEEDED")
    async with example.script(SCRIPT, *arguments, environment=product.environment()) as script:
        await script.prints(LIVE)
        await product.start_sync()
        await script.prints("SUCCEEDED")
        await product.start_sync("nowhere")
        await script.prints("FAILED")
        await assert_interruptible(script)
    assert len(script.lines) == 3, script.output


@pytest.mark.parametrize("fault", ["cut", "restart", "silence"])
async def test_it_misses_and_repeats_nothing_while_it_is_disconnected(
    example: Example, product: Product, line: Line, fault: Fault
) -> None:
    async with example.script(SCRIPT, environment=line.environment) as script:
        await script.prints(LIVE)
        await product.start_sync()
        await script.prints("RUNNING              0 of 335 done")
        await line.fail(fault)
        await script.prints("1 active in ", times=2)
        assert "disconnected (" in await script.prints("reconnecting in", times=2)
        await line.restore()
        await script.prints("SUCCEEDED")
        await script.prints(LIVE, times=2)
        await assert_interruptible(script)
    assert_nothing_missed(script)


async def test_it_starts_over_when_the_server_does_not_know_its_cursor(
    example: Example, product: Product, line: Line
) -> None:
    async with example.script(SCRIPT, environment=line.environment) as script:
        await script.prints(LIVE)
        await product.start_sync()
        await script.prints("RUNNING              0 of 335 done")
        await line.fail("cut")
        await script.prints("reconnecting in")
        await product.start_sync("nowhere")
        await product.place.write(
            "UPDATE opsrun.tenant_feed SET epoch = gen_random_uuid() WHERE tenant_id = :tenant_id"
        )
        await line.restore()
        await script.prints(LIVE, times=2)
        await script.prints("SUCCEEDED            335 of 335 succeeded")
        await script.prints("The scope does not exist.")
        await assert_interruptible(script)
    assert "RUNNING              100 of 335" not in script.output, (
        "no events, but where the runs are"
    )
    assert script.output.count("SUCCEEDED") == 1


async def test_it_shows_what_to_fix(example: Example, product: Product) -> None:
    good = product.environment()
    for environment, message in (
        (good | {"OPSRUN_TOKEN": ""}, "Set OPSRUN_TOKEN"),
        (good | {"OPSRUN_TOKEN": "forged"}, "Opsrun refuses: The token is not valid here"),
        (good | {"OPSRUN_TENANT": "nowhere"}, f"your tenants are: {product.place.slug}"),
        (good | {"OPSRUN_URL": product.url}, "OPSRUN_URL is not the address of the API"),
        (good | {"OPSRUN_URL": "localhost:8000"}, "No connection to OPSRUN_URL"),
        (
            good | {"OPSRUN_URL": f"http://127.0.0.1:{CLOSED_PORT}/graphql"},
            "No connection to OPSRUN_URL",
        ),
    ):
        async with example.script(SCRIPT, environment=environment) as script:
            assert await script.ends() == 2, script.output
        assert message in script.lines[-1]
        assert "Traceback" not in script.output


async def test_a_terminal_shows_a_bar_until_the_run_has_ended_and_ctrl_c_leaves_it_clean(
    example: Example, product: Product, line: Line
) -> None:
    command = (example.tool("python"), SCRIPT)
    async with in_terminal(
        *command, environment=line.environment, folder=example.folder
    ) as terminal:
        await terminal.shows("0 active in ", "live")
        await product.start_sync()
        await terminal.shows(
            "1 active in ", "inventory.sync", "RUNNING", "━━━━", "0 of 335", "0:00:0"
        )
        assert not terminal.has_cursor()
        line.proxy.cut()
        await terminal.shows("disconnected (")
        await line.restore()
        await terminal.shows("SUCCEEDED", "335 of 335", "0 active in ", "live")
        terminal.press(CTRL_C)
        assert await terminal.ends() == 0, terminal.drawn
        assert terminal.has_cursor()
    assert "Traceback" not in terminal.drawn
