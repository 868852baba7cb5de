"""Every op under `vmap` against a loop over the samples, whichever operands are batched."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import plait as torch
import plait.core.ops.catalog  # defines the records
from plait.core.batching.rules import one_by_one, rule_of
from plait.core.ir.dtypes import float64
from plait.core.ir.op import Op, op_by_name
from plait.func import vmap
from tests.ops.one_op import dtypes_under_test, samples_of
from tests.ops.test_records import SAMPLED

SIZE = 3

#: Ops whose rule is one sample after the other, because nothing runs them often under `vmap`.
SLOW = {"call", "cond", "scan", "while", "solve", "triangular_solve", "random_bits"}

#: Ops without operands, and those that only the compiler's passes make.
UNMET = {"full", "arange"} | {op.name for op in SAMPLED if "_nhwc" in op.name}


def _others(x: np.ndarray, number: int) -> np.ndarray:
    """Another sample like this one: scaled towards zero, or in another order."""
    if x.dtype.kind in "fc":
        return (x * (1 - 0.05 * number)).astype(x.dtype)
    return np.roll(x.reshape(-1), number).reshape(x.shape)


def _tensors(result: Any) -> list[Any]:
    return list(result) if isinstance(result, tuple) else [result]


def _array(x: Any) -> np.ndarray:
    return (x.float() if x.dtype.itemsize == 2 else x).numpy()


@pytest.mark.parametrize("name", [op.name for op in SAMPLED if op.name not in UNMET])
def test_batched_as_one_by_one(name: str) -> None:
    op: Op = op_by_name(name)
    known = dtypes_under_test(op)
    for sample in samples_of(name, float64 if float64 in known else known[0]):
        count = len(sample.inputs)
        masks = [(True,) * count]
        if count > 1:
            masks += [tuple(i == j for j in range(count)) for i in range(count)]
        stacked = [np.stack([_others(x, n) for n in range(SIZE)]) for x in sample.inputs]
        for batched in masks:
            given = [
                torch.tensor(many if b else one)
                for many, one, b in zip(stacked, sample.inputs, batched)
            ]
            axes = tuple(0 if b else None for b in batched)
            found = _tensors(vmap(lambda *xs, attrs=sample.attrs: op(*xs, **attrs), axes)(*given))
            rows = [
                _tensors(op(*[x[n] if b else x for x, b in zip(given, batched)], **sample.attrs))
                for n in range(SIZE)
            ]
            for part, expected in zip(found, zip(*rows)):
                wanted = np.stack([_array(row) for row in expected])
                assert part.dtype == expected[0].dtype
                np.testing.assert_allclose(
                    _array(part), wanted, rtol=1e-9, atol=1e-9, err_msg=str(axes)
                )


def test_few_ops_are_batched_one_by_one() -> None:
    slow = {op.name for op in SAMPLED if rule_of(op) is one_by_one}
    assert slow - UNMET == SLOW


def test_levels_nest() -> None:
    a, b = torch.randn(2, 3, 4), torch.randn(5, 4)
    found = vmap(lambda x: vmap(lambda y: vmap(lambda z: (z * y).sum())(x))(b))(a)
    np.testing.assert_allclose(
        found.numpy(), np.einsum("ijk,lk->ilj", a.numpy(), b.numpy()), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize(("i", "o"), list(itertools.product((0, 1, -1), repeat=2)))
def test_axes_of_samples(i: int, o: int) -> None:
    x = torch.arange(24.0).reshape(2, 3, 4)
    found = vmap(lambda v: v.t() * 2, in_dims=i, out_dims=o)(x)
    moved = np.moveaxis(x.numpy(), i, 0)
    expected = np.moveaxis(np.stack([v.T * 2 for v in moved]), 0, o)
    np.testing.assert_array_equal(found.numpy(), expected)
