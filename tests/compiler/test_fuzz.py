"""Random graphs, compiled, in another process: a slice of what `fuzz.py` runs at length."""

from __future__ import annotations

import pytest

from plait.core.llvm.target import target
from tests.compiler.fuzz import fuzz


def run(first: int, count: int, isa: str) -> None:
    try:
        target(isa)
    except ValueError:
        pytest.skip(f"this machine has no {isa}")
    report = fuzz(first, count, isa)
    assert not report.finds
    assert report.graphs == count


@pytest.mark.parametrize(("isa", "first"), [("avx512", 0), ("avx2", 1000)])
def test_random_graphs(isa: str, first: int) -> None:
    run(first, 20, isa)


@pytest.mark.parametrize(
    "seed",
    [
        # An output that is an input after the passes, given away to another; repeated padding.
        20006,
        21025,  # a product in bfloat16 with a last panel of one column
    ],
)
def test_what_was_found_before(seed: int) -> None:
    run(seed, 1, "avx512")
