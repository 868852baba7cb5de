"""Python numbers that a dtype cannot hold are refused where they are written, as PyTorch does."""

from __future__ import annotations

import math
from typing import Any

import pytest

import plait as torch

WRITERS = {
    "item": lambda x, v: x.__setitem__(0, v),
    "mask": lambda x, v: x.__setitem__(x == 0, v),
    "fill_": lambda x, v: x.fill_(v),
    "masked_fill_": lambda x, v: x.masked_fill_(x == 0, v),
    "index_fill_": lambda x, v: x.index_fill_(0, torch.tensor([1]), v),
    "scatter_": lambda x, v: x.scatter_(0, torch.tensor([1]), v),
    "full_like": lambda x, v: torch.full_like(x, v),
    "tensor": lambda x, v: torch.tensor([v], dtype=x.dtype),
    "pad": lambda x, v: torch.nn.functional.pad(x, (1, 0), value=v),
}
OUTSIDE = {
    torch.uint8: (256, -256, -0.5 - 1, 300.5, math.nan, math.inf, 1j),
    torch.int8: (128, -129, 1e9, -math.inf),
    torch.int32: (2**31, -(2**31) - 1, 2**80),
    torch.int64: (2**63, math.nan),
    torch.float32: (1e39, -1e39, 10**400, 2j),
}
INSIDE = {
    torch.uint8: ((255, 255), (-1, 255), (-255, 1), (2.7, 2), (True, 1)),
    torch.int8: ((-128, -128), (-3.7, -3)),
    torch.int64: ((2**63 - 1, 2**63 - 1), (4 + 0j, 4)),
    torch.float32: ((math.inf, math.inf), (3, 3.0)),
    torch.bool: ((1j, True), (0.5, True)),
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("dtype", OUTSIDE, ids=str)
def test_what_does_not_fit_is_refused(writer: str, dtype: Any) -> None:
    for value in OUTSIDE[dtype]:
        if writer == "tensor" and dtype is torch.float32:
            continue  # rounded, to infinity
        x = torch.zeros(3, dtype=dtype)
        with pytest.raises(RuntimeError, match="without overflow"):
            WRITERS[writer](x, value)
        assert x.tolist() == [0, 0, 0]


@pytest.mark.parametrize("dtype", INSIDE, ids=str)
def test_what_fits_is_converted(dtype: Any) -> None:
    for value, held in INSIDE[dtype]:
        x = torch.zeros(3, dtype=dtype)
        x[0] = value
        assert x[0].item() == held


def test_halves_round_items_to_infinity_and_refuse_fills() -> None:
    x = torch.zeros(2, dtype=torch.float16)
    x[0] = 70000.0
    assert x.tolist() == [math.inf, 0]
    with pytest.raises(RuntimeError, match="type c10::Half without overflow"):
        x.fill_(70000.0)


def test_bounds_and_branches() -> None:
    x = torch.tensor([3, 200], dtype=torch.uint8)
    with pytest.raises(RuntimeError, match="uint8_t without overflow"):
        x.clamp(max=300)
    with pytest.raises(RuntimeError, match="uint8_t without overflow"):
        torch.where(x > 5, x, 300)
    assert x.clamp(min=math.nan).isnan().all()
    leaf = torch.ones(2, requires_grad=True)
    leaf.clamp(max=math.nan).sum().backward()
    assert leaf.grad is not None and leaf.grad.tolist() == [0, 0]


def test_arithmetic_wraps() -> None:
    assert (torch.zeros(1, dtype=torch.uint8) + 300).tolist() == [44]
