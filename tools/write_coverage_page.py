"""Write docs/torch-coverage.md anew from tools/torch_names.tsv: run from the root.

The table has the names of PyTorch that 758 public files use, in the order in which they make whole
programs possible. Its columns: the place in that order; the name; its kind; how many files use it;
how many of the 234 core programs (those without distributed, fx, onnx and ops), and how many files,
have all their names once this one and all above it are there; the tier of the name among core
programs and among all files (it is needed for 80, 95, 99 or 100 % of them); whether the PyTorch
whose interface Plait follows still has it.
"""

from __future__ import annotations

import os
import textwrap
from dataclasses import dataclass
from pathlib import Path

from plait.cli.coverage import has

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "torch-coverage.md"
TABLE = ROOT / "tools" / "torch_names.tsv"
TIERS = ("80", "95", "99", "100")


@dataclass(frozen=True)
class Name:
    """A row of the table."""

    name: str
    files: int
    core_whole: int
    all_whole: int
    core_tier: str
    all_tier: str
    in_torch: bool
    there: bool


def names() -> list[Name]:
    """The rows, in their order."""
    rows = []
    for line in TABLE.read_text("utf-8").splitlines()[1:]:
        _, name, _, files, core, every, core_tier, all_tier, in_torch = line.split("\t")
        numbers = (int(files), int(core), int(every))
        rows.append(Name(name, *numbers, core_tier, all_tier, in_torch == "yes", has(name)))
    return rows


def is_ambiguous(row: Name) -> bool:
    """Whether lists, dicts or strings have a method of that spelling, so that users of it are
    few or none."""
    return row.name.startswith("Tensor?.")


def lacks(row: Name) -> bool:
    """Whether PyTorch has the name for certain and Plait has not."""
    return row.in_torch and not row.there and not is_ambiguous(row)


def bounds(rows: list[Name], column: str) -> tuple[int, int, int]:
    """Programs that have all their names: at least, at most, of how many.

    A program needs the name that makes it whole, so those that a missing name makes whole are not.
    A missing name spoils at most the files that use it; and none that is whole before it.
    """
    whole = [getattr(row, column) for row in rows]
    total = whole[-1]
    at_most, spoilt, before_first = total, 0, total
    for number, row in enumerate(rows):
        if not lacks(row) or (column == "core_whole" and row.core_tier == "-"):
            continue
        earlier = whole[number - 1] if number else 0
        before_first = min(before_first, earlier)
        at_most -= whole[number] - earlier
        spoilt += min(row.files, total - earlier)
    return max(before_first, total - spoilt, 0), at_most, total


def page() -> str:
    """The whole page."""
    rows = names()
    lines = [
        "# What of PyTorch is there",
        "",
        "Written by `tools/write_coverage_page.py` from the names that 758 public files of PyTorch",
        "programs use; do not edit. `plait coverage script.py` lists the names that one program",
        "uses, and which of them are missing.",
        "",
        "| programs | with every name there |",
        "| --- | --- |",
    ]
    for what, column in (("core programs", "core_whole"), ("all files", "all_whole")):
        low, high, total = bounds(rows, column)
        share = f"{low} to {high}" if low != high else f"{low}"
        percent = f"{100 * low / total:.1f} %"
        lines.append(f"| {what} | {share} of {total} (at least {percent}) |")
    lines += [
        "",
        "Core programs are those without distributed, fx, onnx and ops. Where there are two",
        "numbers, the second counts programs whose last missing name is known, the first takes",
        "every user of a missing name for one program more. A name that only raises",
        "NotImplementedError when it is called counts as missing; what a function does not take",
        "yet, it says in the same way.",
        "",
        "| tier | names of core programs | missing | names of all files | missing |",
        "| --- | --- | --- | --- | --- |",
    ]
    for tier in TIERS:
        core = [row for row in rows if row.core_tier == tier]
        every = [row for row in rows if row.all_tier == tier]
        counts = (len(core), sum(map(lacks, core)), len(every), sum(map(lacks, every)))
        lines.append(f"| {tier} % | " + " | ".join(map(str, counts)) + " |")
    for title, column in (("core programs", "core_tier"), ("other files", "all_tier")):
        lines += ["", f"## Missing in {title}", ""]
        for tier in TIERS:
            missing = [
                f"`{row.name}`"
                for row in rows
                if lacks(row)
                and getattr(row, column) == tier
                and (column == "core_tier" or row.core_tier == "-")
            ]
            if missing:
                lines += [f"{tier} % tier:", "", *_wrapped(missing), ""]
        if lines[-2].startswith("## "):
            lines.append("None.")
        if lines[-1] == "":
            lines.pop()
    lines += ["", "## Not counted", ""]
    lines += ["Names that PyTorch itself does not have any more:", ""]
    lines += _wrapped([f"`{r.name}`" for r in rows if not r.in_torch and not r.there])
    lines += [
        "",
        "Spelled like a method of a list, a string or a dict, and not a tensor's here:",
        "",
    ]
    lines += _wrapped([f"`{r.name}`" for r in rows if is_ambiguous(r) and not r.there])
    return "\n".join(lines) + "\n"


def _wrapped(words: list[str]) -> list[str]:
    """Words with commas, in lines."""
    text = ", ".join(words) + "." if words else "None."
    return textwrap.wrap(text, 100, break_long_words=False, break_on_hyphens=False)


def main() -> None:
    """Write the page."""
    new = PAGE.with_suffix(".new")
    new.write_text(page(), "utf-8")
    os.replace(new, PAGE)


if __name__ == "__main__":
    main()
