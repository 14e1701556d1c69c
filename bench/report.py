"""Print the timings of a large and a small tenant as a table."""

from collections.abc import Iterable

from bench.timing import Timing

# A name, and the timings of the large and the small tenant.
Row = tuple[str, Timing, Timing]

_SIDE = f"{'median':>8}{'p95':>8}{'rows':>6}"
_HEAD = f"""\
{"":36} {"large tenant":>22} {"small tenant":>22}
{"milliseconds":36} {_SIDE} {_SIDE} {"ratio":>7}"""


def table(rows: Iterable[Row]) -> str:
    """Return a table; the ratio is that of the medians."""
    return "\n".join([_HEAD, *map(_line, rows)])


def _line(row: Row) -> str:
    name, large, small = row
    return f"{name:36} {_cells(large)} {_cells(small)} {large.median / small.median:>6.1f}x"


def _cells(timing: Timing) -> str:
    rows = "" if timing.rows is None else timing.rows
    return f"{timing.median:>8.2f}{timing.p95:>8.2f}{rows:>6}"
