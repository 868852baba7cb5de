"""The list of methods that `plait coverage` goes by is PyTorch's."""

from __future__ import annotations

import pytest

from plait.cli.coverage import METHODS

torch = pytest.importorskip("torch", reason="compares with PyTorch")


def test_methods_are_those_of_pytorch() -> None:
    # `index`, of first-class dimensions, is nearly always a list's.
    theirs = {name for name in dir(torch.Tensor) if not name.startswith("_")} - {"index"}
    assert set(METHODS.read_text("utf-8").split()) - {"index"} == theirs
