"""Read a department's usage, and write it as a page."""

import csv
from collections.abc import Mapping
from html import escape
from pathlib import Path

from opsrun.producers import ProducerError

from report_export.run_type import USAGE_INVALID


def read_usage(file: Path) -> Mapping[str, int]:
    """Return the hours by product from a CSV file with these two columns and a heading.

    Raises:
        FileNotFoundError: there is no such file.
        ProducerError: a line is not valid.
    """
    usage: dict[str, int] = {}
    with file.open(encoding="utf-8", newline="") as lines:
        for number, line in enumerate(csv.reader(lines), start=1):
            if number > 1:
                try:
                    product, hours = line
                    usage[product] = int(hours)
                except ValueError as error:
                    message = f"Line {number} of {file.name} is not a product and its hours."
                    raise ProducerError(USAGE_INVALID, message, names=[file.name]) from error
    return usage


def write_page(file: Path, title: str, usage: Mapping[str, int]) -> None:
    """Write a page; a reader sees either the old page or the whole new one."""
    rows = "".join(f"<tr><td>{escape(name)}<td>{hours}" for name, hours in usage.items())
    page = f"<!doctype html><title>{title}</title><h1>{title}</h1><table>{rows}</table>\n"
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".new")
    unfinished.write_text(page, encoding="utf-8")
    unfinished.replace(file)
