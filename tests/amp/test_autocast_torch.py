"""The expectations of `cases` are PyTorch's own."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="compares with the real PyTorch")

from tests.amp.cases import cases  # noqa: E402  # only where PyTorch is there


@pytest.mark.parametrize("name", [name for name, _, _ in cases(torch)])
def test_dtype(name: str) -> None:
    call, expected = {n: (c, d) for n, c, d in cases(torch)}[name]
    with torch.autocast("cpu"):
        assert str(call().dtype) == f"torch.{expected}"
