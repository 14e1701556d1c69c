"""Tables, medians, and turns."""

from functools import partial

from bench.reads import Reads
from bench.report import Cell, Table, ratio
from bench.timing import by_turns, medians


def test_a_table_is_markdown_with_three_significant_digits() -> None:
    rows: list[tuple[Cell, ...]] = [
        ("one", 1234.5, 56.78, 1.234, 0.1234, 0.01234),
        ("two", 0.0, 7, None, "90%", 1.0),
    ]
    table = Table("Title", ["name", "a", "b", "c", "d", "e"], rows, "A note.")
    assert str(table).splitlines() == [
        "### Title",
        "",
        "| name | a | b | c | d | e |",
        "|---|---:|---:|---:|---:|---:|",
        "| one | 1,234 | 56.8 | 1.23 | 0.12 | 0.012 |",
        "| two | 0 | 7 |  | 90% | 1 |",
        "",
        "A note.",
    ]


def test_there_is_no_ratio_to_zero() -> None:
    assert ratio(3.0, 2.0) == 1.5
    assert ratio(0.0, 2.0) == 0.0
    assert ratio(3.0, 0.0) is None


def test_each_figure_has_its_own_median() -> None:
    turns = [
        Reads(
            per_second=figure,
            p50_ms=-figure,
            p99_ms=figure + 1,
            cpu_ms=figure,
            postgres_cpu_ms=0.0,
            generator_share=1.0,
        )
        for figure in (1.0, 100.0, 3.0)
    ]
    figures = medians(turns)
    assert (figures.per_second, figures.p50_ms, figures.p99_ms) == (3.0, -3.0, 4.0)


async def test_works_take_turns() -> None:
    order: list[str] = []

    async def work(name: str) -> str:
        order.append(name)
        return f"{name}{len(order)}"

    results = await by_turns([partial(work, "a"), partial(work, "b")], 2)
    assert order == ["a", "b", "a", "b"]
    assert results == [["a1", "a3"], ["b2", "b4"]]
