"""Random sequences of views and in-place operations give what PyTorch gives."""

# ruff: noqa: B023 -- every case runs before the loop that made its function goes on

from __future__ import annotations

from typing import Any

import plait
from tests.parity.compare import Failure, Hunt, outcome
from tests.parity.view_sequences import SEEDS, run

#: Where the other framework refuses what has a clear meaning; Plait, whose values never change once
#: recorded, carries it out.
REFUSALS = (
    "refer to a single memory location",
    "is a view and",
    "has been modified by an inplace operation",
)


def test_sequences() -> None:
    hunt = Hunt("views")
    for seed in SEEDS:

        def case(t: Any) -> Any:
            return run(t, seed)

        theirs = hunt.expected(f"seed {seed}", case)
        if isinstance(theirs, Failure) and any(r in theirs.text for r in REFUSALS):
            continue
        ours = outcome(case, plait)
        if isinstance(ours, Failure) and "refers to a single memory location" in ours.text:
            continue  # Plait refuses every write to an expanded tensor, the other those it notices
        hunt.compare(f"seed {seed}", ours, theirs)
    hunt.verdict()
