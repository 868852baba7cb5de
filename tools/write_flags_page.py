"""Write the table of docs/flags.md anew from plait/core/runtime/config.py: run from the root."""

from __future__ import annotations

import os
from pathlib import Path

from plait.core.runtime.config import table

PAGE = Path(__file__).resolve().parent.parent / "docs" / "flags.md"


def main() -> None:
    """Replace the table; the text around it stays."""
    lines = PAGE.read_text("utf-8").splitlines(keepends=True)
    rows = [number for number, line in enumerate(lines) if line.startswith("|")]
    text = "".join(lines[: rows[0]]) + table() + "".join(lines[rows[-1] + 1 :])
    new = PAGE.with_suffix(".new")
    new.write_text(text, "utf-8")
    os.replace(new, PAGE)


if __name__ == "__main__":
    main()
