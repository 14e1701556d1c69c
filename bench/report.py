"""Tables in Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass

Cell = str | float | None


@dataclass(frozen=True, slots=True)
class Table:
    """A table of figures; the first column names the row. `note` stands below it."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""

    def __str__(self) -> str:
        lines = [
            f"### {self.title}\n",
            _line(self.columns),
            "|---" + "|---:" * (len(self.columns) - 1) + "|",
            *(_line([_text(cell) for cell in row]) for row in self.rows),
        ]
        return "\n".join(lines + ([f"\n{self.note}"] if self.note else []))


def ratio(value: float, base: float) -> float | None:
    """Return the ratio of two figures; None without a base."""
    return value / base if base else None


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _text(cell: Cell) -> str:
    """Return a figure with three significant digits, or more before the decimal point."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    if abs(cell) >= 100 or cell == int(cell):
        return f"{cell:,.0f}"
    return f"{cell:.{1 if abs(cell) >= 10 else 2 if abs(cell) >= 0.1 else 3}f}"
