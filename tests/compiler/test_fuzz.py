"""Random graphs, compiled, in another process: a slice of what `fuzz.py` runs at length."""

from __future__ import annotations

import pytest

from plait.core.llvm.target import target
from tests.compiler.fuzz import fuzz


@pytest.mark.parametrize(("isa", "first"), [("avx512", 0), ("avx2", 1000)])
def test_random_graphs(isa: str, first: int) -> None:
    try:
        target(isa)
    except ValueError:
        pytest.skip(f"this machine has no {isa}")
    report = fuzz(first, 20, isa)
    assert not report.finds
    assert report.graphs == 20
