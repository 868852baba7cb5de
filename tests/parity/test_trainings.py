"""Fifty steps of every optimizer on small models, and single steps in float32, as in PyTorch."""

from __future__ import annotations

import os
import zlib
from typing import Any

import numpy as np
import pytest

import plait
from tests.parity.compare import Hunt, expectations
from tests.parity.trainings import MODELS, RULES, fifty_steps, one_step

#: Of losses and parameters after fifty steps in float64, relative to their scale of about 1. Sums
#: in another order start at 1e-16; training on curved losses lets a difference grow.
TOLERANCE = 1e-7
#: Muon's direction is computed in bfloat16, in both: each of 50 steps may differ by 2**-8 of the
#: rate of 1e-3, and the loss by as much times its slope.
MUON = 50 * 1e-3 * 2.0**-8

#: Of one step in float32: the gradient is a sum of about a hundred terms, good to some tens of
#: units of its own largest element; of a quotient by the root of its square, twice that counts;
#: and the parameter it is added to is rounded.
SINGLE = 2.0**-24 * 128
SEEDS = range(3)

#: A slice runs by default, one model for each rule; all where all is asked for, or recorded.
ALL = os.environ.get("PLAIT_TEST_MATRIX") == "all"


def _models(rule: str) -> list[str]:
    if RULES[rule][0] == "SparseAdam":
        return ["table"]
    if ALL or expectations.recording is not None:
        return list(MODELS)
    return [list(MODELS)[zlib.crc32(rule.encode()) % len(MODELS)]]


PAIRS = [(model, rule) for rule in RULES for model in _models(rule)]


@pytest.fixture(autouse=True)
def on_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Formulas are judged here; kernels have tests of their own."""
    monkeypatch.setenv("PLAIT_BACKEND", "reference")


@pytest.mark.once
@pytest.mark.parametrize(("model", "rule"), PAIRS)
def test_fifty_steps(model: str, rule: str) -> None:
    hunt = Hunt("trainings", f"{model} {rule}")
    tolerance = MUON if rule == "Muon" else TOLERANCE
    hunt.check("50 steps", lambda t: fifty_steps(t, model, rule), tolerance=tolerance)
    hunt.verdict()


@pytest.mark.once
@pytest.mark.parametrize(
    ("model", "rule"), [pair for pair in PAIRS if not pair[1].startswith("LBFGS")]
)
def test_one_step_in_float32(model: str, rule: str) -> None:
    """From the same state; LBFGS, whose step is a search, is compared in float64 alone."""
    hunt = Hunt("trainings", f"{model} {rule}")
    for seed in SEEDS:

        def case(t: Any, seed: int = seed) -> Any:
            return one_step(t, model, rule, seed)

        theirs = hunt.expected(f"step {seed}", case)
        if expectations.recording is not None:
            continue
        ours = [np.asarray(change.numpy()) for change in case(plait)]
        for a, b in zip(ours, theirs, strict=True):
            largest = float(np.abs(b.array).max())
            bound = SINGLE * (1 + largest) if rule != "Muon" else 1e-3 * 2.0**-7
            assert np.abs(a - b.array).max() <= bound, f"{rule}, seed {seed}"
