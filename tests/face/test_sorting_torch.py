"""Sorting, searching and cumulative functions give PyTorch's values, places and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import plait

torch = pytest.importorskip("torch", reason="compares with the real PyTorch")

NAN = float("nan")


def _values(shape: tuple[int, ...], dtype: str = "float32") -> np.ndarray:
    """Distinct values, so that the order is unique."""
    rng = np.random.default_rng(7)
    count = int(np.prod(shape))
    return ((rng.permutation(count) - count / 3) / 2).astype(dtype).reshape(shape)


def _flat(result: Any) -> list[Any]:
    return list(result) if isinstance(result, tuple) else [result]


def _same(ours: Any, theirs: Any, rtol: float = 0.0) -> None:
    assert len(_flat(ours)) == len(_flat(theirs))
    for a, b in zip(_flat(ours), _flat(theirs)):
        assert tuple(a.shape) == tuple(b.shape)
        assert str(a.dtype) == str(b.dtype)
        np.testing.assert_allclose(
            a.detach().numpy(), b.detach().numpy(), rtol=rtol, atol=rtol, equal_nan=True
        )


PLACED = [
    ("sort", lambda m, x: m.sort(x)),
    ("sort_dim", lambda m, x: m.sort(x, 0, True)),
    ("sort_flag", lambda m, x: x.sort(descending=True, stable=True)),
    ("argsort", lambda m, x: m.argsort(x, dim=1)),
    ("msort", lambda m, x: m.msort(x)),
    ("topk", lambda m, x: m.topk(x, 2)),
    ("topk_small", lambda m, x: x.topk(2, dim=0, largest=False)),
    ("kthvalue", lambda m, x: m.kthvalue(x, 2, dim=1)),
    ("kthvalue_keep", lambda m, x: m.kthvalue(x, 1, 0, True)),
    ("median", lambda m, x: m.median(x)),
    ("median_dim", lambda m, x: m.median(x, 1)),
    ("nanmedian", lambda m, x: m.nanmedian(x, dim=0, keepdim=True)),
    ("mode", lambda m, x: m.mode(x, 1)),
    ("cummax", lambda m, x: m.cummax(x, 1)),
    ("cummin", lambda m, x: m.cummin(x, dim=0)),
    ("cumsum", lambda m, x: m.cumsum(x, 1)),
    ("cumprod", lambda m, x: m.cumprod(x, dim=0)),
    ("diff", lambda m, x: m.diff(x, n=2)),
    ("diff_append", lambda m, x: m.diff(x, dim=0, append=x[:1], prepend=x[1:])),
    ("trapezoid", lambda m, x: m.trapezoid(x, dx=2)),
    ("trapezoid_x", lambda m, x: m.trapz(x, x[0] * 2, dim=1)),
    ("cumulative_trapezoid", lambda m, x: m.cumulative_trapezoid(x)),
]


@pytest.mark.parametrize("dtype", ["float32", "int64", "int32"])
@pytest.mark.parametrize("call", [c for _, c in PLACED], ids=[n for n, _ in PLACED])
def test_values_and_places(call: Any, dtype: str) -> None:
    data = _values((4, 5), dtype)
    if dtype != "float32":
        data = np.arange(20, dtype=dtype)[np.argsort(_values((20,)))].reshape(4, 5)
    _same(call(plait, plait.tensor(data)), call(torch, torch.tensor(data)), rtol=1e-6)


@pytest.mark.parametrize("call", [c for _, c in PLACED], ids=[n for n, _ in PLACED])
def test_gradients(call: Any) -> None:
    grads = []
    for module in (plait, torch):
        x = module.tensor(_values((4, 5)) + 0.25, requires_grad=True)
        result = _flat(call(module, x))[0]
        if not result.is_floating_point():
            return
        weight = module.tensor(np.arange(result.numel(), dtype="float32").reshape(result.shape))
        (result * weight).sum().backward()
        grads.append(x.grad.numpy())
    np.testing.assert_allclose(*grads, rtol=1e-4, atol=1e-4)  # products of five values


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.median(m.tensor([1.0, NAN, 3.0]), 0),
        lambda m: m.median(m.tensor([NAN, 1.0, NAN, 3.0]), 0),
        lambda m: m.median(m.tensor([1.0, NAN, 3.0])),
        lambda m: m.nanmedian(m.tensor([1.0, NAN, 3.0, 2.0, 7.0]), 0),
        lambda m: m.nanmedian(m.tensor([NAN, NAN]), 0),
        lambda m: m.nanmedian(m.tensor([NAN, 2.0, 1.0])),
        lambda m: m.median(m.tensor([])),
        lambda m: m.sort(m.tensor([NAN, 1.0, float("inf")])),
        lambda m: m.sort(m.tensor(3.0)),
        lambda m: m.topk(m.tensor(3.0), 1),
        lambda m: m.mode(m.tensor([3, 1, 3, 1, 2])),
        lambda m: m.mode(m.tensor([[3, 1, 3, 1, 2, 3], [5, 5, 4, 4, 4, 5]])),
        lambda m: m.mode(m.tensor(4.0)),
        lambda m: m.cummax(m.tensor([1.0, 3, 3, 2, NAN, 1]), 0),
        lambda m: m.cumsum(m.tensor([True, True]), 0),
        lambda m: m.cumsum(m.tensor(3), 0),
        lambda m: m.cumsum(m.tensor([1, 2]), 0, dtype=m.float32),
        lambda m: m.diff(m.tensor([True, False, True])),
        lambda m: m.unique(m.tensor([[3, 1], [3, 2]]), return_inverse=True, return_counts=True),
        lambda m: m.unique(m.tensor([[3, 1], [3, 1], [0, 9]]), dim=0, return_inverse=True),
        lambda m: m.unique(m.tensor([[3, 1, 3], [2, 1, 2]]), dim=1, return_counts=True),
        lambda m: m.unique(m.tensor([NAN, NAN, 1])),
        lambda m: m.unique_consecutive(m.tensor([1, 1, 2, 2, 1]), True, True),
        lambda m: m.unique_consecutive(m.tensor([[1, 1], [1, 1], [0, 1]]), dim=0),
        lambda m: m.searchsorted(m.tensor([1.0, 2, 3]), m.tensor([0.0, 2, 4, NAN])),
        lambda m: m.searchsorted(m.tensor([1.0, 2, 2, 3]), m.tensor([[0.0, 2, 3]]), right=True),
        lambda m: m.searchsorted(m.tensor([1.0, 2, 3]), 2.5),
        lambda m: m.searchsorted(m.tensor([1.0, 2, 3]), 2, side="right", out_int32=True),
        lambda m: m.searchsorted(m.tensor([[1, 3, 5], [2, 4, 6]]), m.tensor([[3, 9], [3, 2]])),
        lambda m: m.searchsorted(m.tensor([]), m.tensor([3.0, 9])),
        lambda m: m.bucketize(m.tensor([[3, 6, 9], [3, 6, 9]]), m.tensor([1, 3, 5, 7, 9])),
        lambda m: m.bucketize(m.tensor([3, 6, 9]), m.tensor([1, 3, 5, 7, 9]), right=True),
        lambda m: m.isin(m.tensor([[1, 2], [3, 4]]), m.tensor([2, 3])),
        lambda m: m.isin(m.tensor([1.0, NAN]), m.tensor([NAN, 1.0]), invert=True),
        lambda m: m.isin(m.tensor([1, 2]), 2),
        lambda m: m.isin(m.tensor([1, 2]), m.tensor([], dtype=m.int64)),
        lambda m: m.histc(m.tensor([1.0, 2, 1]), 4, 0, 3),
        lambda m: m.histc(m.tensor([1.0, 1, 1]), 4),
        lambda m: m.histc(m.tensor([0.0, 0.1, 0.5, 0.9, 1.0]), bins=10),
        lambda m: m.bincount(m.tensor([1, 1, 3]), weights=m.tensor([1.0, 2, 3])),
        lambda m: m.bincount(m.tensor([1, 1, 3]), weights=m.tensor([1, 2, 3])),
        lambda m: m.bincount(m.tensor([1, 1, 3]), minlength=6),
        lambda m: m.bincount(m.tensor([], dtype=m.int64)),
        lambda m: m.quantile(m.tensor([1.0, 2, NAN]), 0.5),
        lambda m: m.nanquantile(m.tensor([1.0, 2, NAN]), 0.5),
        lambda m: m.nanquantile(m.tensor([NAN, NAN]), 0.5),
        lambda m: m.quantile(m.tensor(2.0), m.tensor([0.1, 0.2])),
    ],
)
def test_special_values(call: Any) -> None:
    _same(call(plait), call(torch), rtol=1e-6)


@pytest.mark.parametrize("how", ["linear", "lower", "higher", "midpoint", "nearest"])
@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dim", [None, 0, -1])
def test_quantile(how: str, keepdim: bool, dim: int | None) -> None:
    grads = []
    results = []
    for module in (plait, torch):
        x = module.tensor(_values((4, 5)), requires_grad=True)
        q = module.tensor([0.1, 0.5, 1.0])
        whole = module.quantile(x, 0.3, dim, keepdim, interpolation=how)
        several = module.quantile(x, q, dim=dim, keepdim=keepdim, interpolation=how)
        (whole.sum() + several.sum()).backward()
        results.append((whole, several))
        grads.append(x.grad.numpy())
    _same(*results, rtol=1e-6)
    np.testing.assert_allclose(*grads, rtol=1e-5, atol=1e-6)


def test_equal_elements_share_the_gradient_of_the_median() -> None:
    grads = []
    for module in (plait, torch):
        x = module.tensor([1.0, 2.0, 2.0, 5.0], requires_grad=True)
        module.median(x).backward()
        grads.append(x.grad.numpy())
    np.testing.assert_array_equal(*grads)


def test_in_place_cumulative_sum_keeps_the_dtype() -> None:
    results = []
    for module in (plait, torch):
        x = module.tensor([1, 2, 3], dtype=module.int32)
        results.append(x.cumsum_(0))
        assert results[-1] is x
    _same(*results)


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.topk(m.ones(2, 3), 5),
        lambda m: m.kthvalue(m.ones(2, 3), 5),
        lambda m: m.sort(m.ones(2, 3), 5),
        lambda m: m.median(m.ones(0, 2), 0),
        lambda m: m.searchsorted(m.ones(2, 3), m.ones(3, 2)),
        lambda m: m.quantile(m.ones(3), 2.0),
        lambda m: m.quantile(m.ones(3).long(), 0.5),
        lambda m: m.quantile(m.ones(3), 0.5, interpolation="none"),
        lambda m: m.histc(m.ones(3).long(), 4),
        lambda m: m.histc(m.ones(3), 4, 3, 0),
        lambda m: m.bincount(m.tensor([-1, 1, 3])),
        lambda m: m.bincount(m.tensor([1.0, 1, 3])),
        lambda m: m.bincount(m.tensor([1]), weights=m.ones(2)),
        lambda m: m.cumsum(m.ones(2, 3), 5),
        lambda m: m.logcumsumexp(m.tensor([1, 2]), 0),
        lambda m: m.diff(m.tensor(1)),
    ],
)
def test_errors_are_of_the_same_kind(call: Any) -> None:
    with pytest.raises(Exception) as theirs:  # whatever PyTorch raises
        call(torch)
    with pytest.raises(theirs.type) as ours:
        call(plait)
    expected = str(theirs.value).splitlines()[0].rstrip(".")[:20]
    assert str(ours.value).startswith(expected)
