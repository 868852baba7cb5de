"""Write docs/tf-coverage.md anew from tools/tf_names.tsv: run from the root, with Keras installed.

The table has the names of TensorFlow and Keras that public files use, by kind of program, in the
order in which they make whole programs possible. Its columns: the kind; the place in that order;
the name; the tier (it is needed for 80, 95 or 100 % of the programs of its kind); whether
TensorFlow 2.21 with its Keras still has it.
"""

from __future__ import annotations

import os
import textwrap
from dataclasses import dataclass
from pathlib import Path

from plait.cli.coverage import has

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "tf-coverage.md"
TABLE = ROOT / "tools" / "tf_names.tsv"
TIERS = ("80", "95", "100")
KINDS = {
    "keras": "Keras' examples and guides",
    "tf1": "programs of TensorFlow 1",
    "docs": "TensorFlow's documents",
    "tf2": "short programs of TensorFlow 2",
}


@dataclass(frozen=True)
class Name:
    """A row of the table."""

    kind: str
    name: str
    tier: str
    in_tensorflow: bool
    there: bool


def full(kind: str, name: str) -> str:
    """The name as it is reached from `import tensorflow`."""
    if name.startswith("keras."):
        return f"tensorflow.{name}"
    rest = name.removeprefix("tf.")
    return f"tensorflow.compat.v1.{rest}" if kind == "tf1" else f"tensorflow.{rest}"


def names() -> list[Name]:
    """The rows, in their order."""
    rows = []
    for line in TABLE.read_text("utf-8").splitlines()[1:]:
        kind, _, name, tier, held = line.split("\t")
        rows.append(Name(kind, name, tier, held == "yes", has(full(kind, name))))
    return rows


def page() -> str:
    """The whole page."""
    rows = names()
    lines = [
        "# What of TensorFlow is there",
        "",
        "Written by `tools/write_tf_coverage_page.py` from the names that 450 public files of",
        "TensorFlow and Keras programs use; do not edit. `plait coverage script.py` lists the",
        "names that one program uses, and which of them are missing. The tier says for what share",
        "of the programs of a kind a name is needed; methods are not counted.",
        "",
        "| programs | tier | names | missing |",
        "| --- | --- | --- | --- |",
    ]
    for kind, title in KINDS.items():
        for tier in TIERS:
            those = [r for r in rows if (r.kind, r.tier) == (kind, tier)]
            if those:
                missing = sum(r.in_tensorflow and not r.there for r in those)
                lines.append(f"| {title} | {tier} % | {len(those)} | {missing} |")
    for kind, title in KINDS.items():
        lines += ["", f"## Missing: {title}", ""]
        missing = [
            f"`{r.name}` ({r.tier} %)"
            for r in rows
            if r.kind == kind and r.in_tensorflow and not r.there
        ]
        lines += _wrapped(missing)
    gone = sorted({f"`{r.name}`" for r in rows if not r.in_tensorflow and not r.there})
    lines += ["", "## Not counted", "", "TensorFlow 2.21 and its Keras do not have these any more:"]
    return "\n".join([*lines, "", *_wrapped(gone)]) + "\n"


def _wrapped(words: list[str]) -> list[str]:
    """Words with commas, in lines; what a word says in brackets stays with it."""
    text = ", ".join([word.replace(" ", "\N{NO-BREAK SPACE}") for word in words])
    lines = textwrap.wrap(f"{text}." if words else "None.", 100, break_long_words=False)
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def main() -> None:
    """Write the page."""
    new = PAGE.with_suffix(".new")
    new.write_text(page(), "utf-8")
    os.replace(new, PAGE)


if __name__ == "__main__":
    main()
