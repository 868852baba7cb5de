"""docs/compiler.md shows what the compiler makes today."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_dumps_of_the_page_are_those_of_the_code() -> None:
    file = ROOT / "tools" / "write_compiler_page.py"
    spec = importlib.util.spec_from_file_location("write_compiler_page", file)
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    text = tool.PAGE.read_text("utf-8")
    assert tool.page(text) == text, "out of date: python tools/write_compiler_page.py"
