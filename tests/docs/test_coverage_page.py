"""docs/torch-coverage.md says what is there today."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _tool():
    file = ROOT / "tools" / "write_coverage_page.py"
    spec = importlib.util.spec_from_file_location("write_coverage_page", file)
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = tool  # dataclasses look their module up
    spec.loader.exec_module(tool)
    return tool


TOOL = _tool()


def test_page_is_that_of_the_code() -> None:
    text = TOOL.PAGE.read_text("utf-8")
    assert TOOL.page() == text, "out of date: python tools/write_coverage_page.py"


def test_core_programs_have_their_names() -> None:
    at_least, at_most, total = TOOL.bounds(TOOL.names(), "core_whole")
    assert total == 234
    assert at_least <= at_most
    assert at_least >= 0.98 * total  # what was reached, and more than the 95 % asked for


def _row(name: str, files: int, whole: int, there: bool, in_torch: bool = True):
    return TOOL.Name(name, files, whole, whole, "80", "80", in_torch, there)


def test_bounds_of_a_small_table() -> None:
    rows = [_row("a", 9, 2, True), _row("b", 4, 5, False), _row("c", 5, 10, True)]
    # b completes 3 programs, which are lost for certain; a fourth may be among its users.
    assert TOOL.bounds(rows, "core_whole") == (6, 7, 10)
    # Where everybody may use b, those that are whole without it are left.
    rows[1] = _row("b", 9, 5, False)
    assert TOOL.bounds(rows, "core_whole") == (2, 7, 10)


def test_names_that_pytorch_dropped_or_lists_share_do_not_count() -> None:
    rows = [_row("a", 9, 2, False, in_torch=False), _row("Tensor?.index", 4, 10, False)]
    assert TOOL.bounds(rows, "core_whole") == (10, 10, 10)
