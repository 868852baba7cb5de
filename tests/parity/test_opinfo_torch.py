"""PyTorch's database of operators as a judge: no fewer are right than were once.

`python -m tests.parity.opinfo` prints what is wrong with the others.
"""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="compares with PyTorch")
pytest.importorskip("expecttest", reason="PyTorch's database of operators imports it")

from tests.parity import opinfo_errors  # these need PyTorch
from tests.parity.opinfo import judge_all, label, public_ops, summary

#: Shares that were reached; to be raised with what is built.
VALUES, GRADIENTS, ERRORS = 0.97, 0.955, 0.99


@pytest.mark.once  # it takes a minute
def test_most_operators_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    # Kernels have tests of their own; here the meaning of names and arguments is judged.
    monkeypatch.setenv("PLAIT_BACKEND", "reference")
    verdicts = judge_all([label(op) for op in public_ops()])
    found = summary(verdicts)
    assert not [v["op"] for v in verdicts if v["value"].startswith("crash")]
    assert found["values"] >= VALUES * found["ops"]
    assert found["gradients"] >= GRADIENTS * found["differentiable"]


@pytest.mark.once
def test_most_mistakes_raise_the_kind_of_exception_of_pytorch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "reference")
    found = opinfo_errors.judge_all([])
    assert len(found) > 600
    assert sum(result == "ok" for _, result in found) >= ERRORS * len(found)
