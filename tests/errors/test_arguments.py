"""Arguments that do not fit are refused with the type and the words of PyTorch."""

from __future__ import annotations

from typing import Any

import pytest

import plait as torch

ONES = torch.ones(3, 4)

MISTAKES: list[tuple[Any, type[Exception], str]] = [
    (lambda: torch.eye(-1), RuntimeError, "n must be greater or equal to 0, got -1"),
    (lambda: torch.eye(2, -3), RuntimeError, "m must be greater or equal to 0, got -3"),
    (lambda: torch.arange(0, float("inf")), RuntimeError, "unsupported range"),
    (lambda: torch.linspace(ONES, 1, 3), RuntimeError, "only supports 0-dimensional"),
    (lambda: torch.logspace(0, 1, 3.0), TypeError, "'steps' must be int, not float"),
    (lambda: torch.signal.windows.hann(3, dtype=torch.float16), ValueError, "float32 or float64"),
    (lambda: torch.signal.windows.hann(3, layout=torch.sparse_coo), ValueError, "strided tensors"),
    (lambda: torch.cov(ONES, fweights=torch.ones(4)), RuntimeError, "integral dtype"),
    (lambda: torch.cov(ONES, aweights=torch.ones(3)), RuntimeError, "same numel .* 3 != 4"),
    (lambda: torch.cov(ONES, aweights=-torch.ones(4)), RuntimeError, "aweights cannot be negative"),
    (lambda: torch.cov(ONES, aweights=ONES), RuntimeError, "one or fewer dimensions"),
    (lambda: torch.linalg.cross(ONES[:, :3], ONES[:, :1]), RuntimeError, "length 3. Got 3 and 1"),
    (lambda: torch.linalg.cross(ONES[:, :3], ONES[0, :3]), RuntimeError, "number of dimensions"),
    (lambda: torch.renorm(torch.ones(3), 2, 0, 1), RuntimeError, "at least 2 dimensions"),
    (lambda: torch.movedim(ONES, (0, 1), (0, -2)), RuntimeError, "distinct axes"),
    (lambda: torch.narrow(torch.tensor(1), 0, 0, 1), RuntimeError, "0-dim tensor"),
    (lambda: torch.narrow(ONES, 0, torch.ones(2), 1), RuntimeError, "0-dim integral Tensor"),
    (lambda: torch.rot90(ONES, 1, (0,)), RuntimeError, "rotation dims == 2"),
    (lambda: torch.rot90(ONES[0], 1), RuntimeError, "total dims >= 2"),
    (lambda: torch.rot90(ONES, 1, (0, -2)), RuntimeError, "rotation dims to be different"),
    (lambda: torch.isclose(ONES, ONES, rtol=-1), RuntimeError, "rtol must be greater"),
    (lambda: ONES.masked_scatter(ONES, ONES), RuntimeError, "only supports boolean masks"),
    (lambda: ONES.masked_fill(ONES > 0, 1j), RuntimeError, "without overflow"),
    (lambda: torch.empty_permuted((2, 3), (0,)), RuntimeError, "does not match the length"),
    (lambda: torch.empty_permuted((2, 3), (0, -1)), RuntimeError, "does not support negative"),
    (lambda: torch.empty_permuted((2, 3), (1, 1)), RuntimeError, "Duplicate dim"),
    (lambda: torch.hsplit(ONES, 0), RuntimeError, "not divisible by the split_size 0"),
    (lambda: torch.vsplit(ONES, "ab"), TypeError, "invalid combination of arguments"),
    (
        lambda: torch.nn.functional.adaptive_avg_pool2d(ONES, (1, 1)),
        ValueError,
        "Input dimension should be at least 3",
    ),
    (lambda: torch.lt(2, ONES), TypeError, "must be Tensor, not int"),
    (lambda: torch.rsub(2, ONES), TypeError, "must be Tensor, not int"),
    (lambda: torch.fill(ONES, ONES), RuntimeError, "0-dimension value tensor"),
    (lambda: ONES.index_fill(0, torch.tensor([0]), ONES), RuntimeError, "0-dimensional value"),
    (lambda: torch.lu_unpack(ONES, torch.ones(3)), RuntimeError, "torch.int32 dtype"),
    (lambda: torch.linalg.lu(ONES, pivot=False), RuntimeError, "not implemented on the CPU"),
    (lambda: torch.linalg.lu_factor(torch.zeros(2, 2))[0].sum().item(), RuntimeError, "U.1,1. is"),
    (lambda: torch.orgqr(ONES, torch.ones(3)), RuntimeError, "greater than or equal to input"),
    (lambda: torch.ormqr(ONES, torch.ones(2), ONES.mT), RuntimeError, "equal to input.shape"),
]


@pytest.mark.parametrize("number", range(len(MISTAKES)))
def test_mistakes(number: int) -> None:
    call, kind, words = MISTAKES[number]
    with pytest.raises(kind, match=words):
        call()
