"""docs/flags.md lists every flag, as the code defines it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from plait.core.runtime.config import FLAGS, flag, table

ROOT = Path(__file__).resolve().parents[2]


def test_page_has_the_table_of_the_code() -> None:
    page = (ROOT / "docs" / "flags.md").read_text("utf-8")
    assert table() in page, "out of date: python tools/write_flags_page.py"


def test_every_flag_that_is_named_in_the_code_is_in_the_table() -> None:
    named = set()
    for path in (ROOT / "plait").rglob("*.py"):
        named |= set(re.findall(r"\bPLAIT_[A-Z]+(?:_[A-Z]+)*\b", path.read_text("utf-8")))
    assert named == set(FLAGS)


def test_a_flag_that_does_not_fit_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_PENDING_MB", "many")
    with pytest.raises(ValueError, match="PLAIT_PENDING_MB='many': expected int"):
        flag("PLAIT_PENDING_MB")
