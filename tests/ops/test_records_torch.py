"""Op records against PyTorch: values for every dtype that both have, gradients in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import plait.core.ops.catalog  # noqa: F401  # defines the records
from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType, dtype_of
from plait.core.ir.op import op_by_name
from tests.executors import EXECUTORS
from tests.ops.one_op import (
    differentiable_outputs,
    dtypes_under_test,
    float_inputs,
    forward_graph,
    gradient_graph,
    samples_of,
)
from tests.ops.samples import all_torch
from tests.ops.tolerance import assert_close

torch = pytest.importorskip("torch", reason="compares with the real PyTorch")

TORCH = all_torch()
CASES = [(name, d) for name in sorted(TORCH) for d in dtypes_under_test(op_by_name(name))]
DIFFERENTIABLE = [
    name
    for name, dtype in CASES
    if dtype is dtypes.float64 and op_by_name(name).has_vjp
    if op_by_name(name).differentiable != ()
]
NO_KERNEL = ("not implemented", "not supported", "does not support")
HALVES = (torch.float16, torch.bfloat16)
RUN = EXECUTORS["reference"]


def _label(value: Any) -> str | None:
    return value.name if isinstance(value, DType) else None


def to_torch(x: np.ndarray) -> Any:
    """An array as a PyTorch tensor with the same bits."""
    if dtype_of(x.dtype) is dtypes.bfloat16:
        return torch.from_numpy(x.view(np.int16).copy()).view(torch.bfloat16)
    return torch.from_numpy(x.copy())


def to_numpy(tensor: Any) -> np.ndarray:
    """A PyTorch tensor as an array with the same bits."""
    tensor = tensor.detach().contiguous()
    if tensor.dtype is torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(dtypes.bfloat16.numpy)
    return tensor.numpy()


def as_list(result: Any) -> list[Any]:
    """One tensor, or the tensors of a tuple (PyTorch's named tuples too)."""
    return list(result) if isinstance(result, (tuple, list)) else [result]


def call(name: str, tensors: list[Any], attrs: dict[str, Any]) -> list[Any] | None:
    """PyTorch's results; None where it has no kernel for these dtypes."""
    try:
        return as_list(TORCH[name](torch, *tensors, **attrs))
    except (RuntimeError, NotImplementedError) as fault:
        if any(words in str(fault) for words in NO_KERNEL):
            return None
        raise


@pytest.mark.parametrize(("name", "dtype"), CASES, ids=_label)
def test_value_equals_torch(name: str, dtype: DType) -> None:
    op = op_by_name(name)
    for number, sample in enumerate(samples_of(name, dtype)):
        tensors = [to_torch(x) for x in sample.inputs]
        if op.body is not None:
            # PyTorch rounds 16-bit values along the way; a composite of ours rounds once.
            tensors = [x.float() if x.dtype in HALVES else x for x in tensors]
        expected = call(name, tensors, sample.attrs)
        if expected is None:
            continue
        results = RUN(forward_graph(op, sample), sample.inputs)
        assert len(results) >= len(expected)
        for result, wanted in zip(results, expected):
            assert result.shape == tuple(wanted.shape), f"{name} sample {number}"
            assert_close(result, to_numpy(wanted), f"{name} sample {number}")


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradient_equals_torch(name: str) -> None:
    """At kinks and ties too, where differences say nothing and PyTorch's choice is the rule."""
    op = op_by_name(name)
    rng = np.random.default_rng(22)
    for number, sample in enumerate(samples_of(name, dtypes.float64)):
        wrt = float_inputs(op, sample)
        tensors = [to_torch(x) for x in sample.inputs]
        for place in wrt:
            tensors[place].requires_grad_()
        outputs = call(name, tensors, sample.attrs)
        forward = forward_graph(op, sample)
        types = [forward.type_of(forward.outputs[i]) for i in differentiable_outputs(forward)]
        seeds = [np.asarray(rng.normal(size=s.shape)).astype(s.dtype.numpy) for s in types]
        if outputs is None or not all(y.requires_grad for y in outputs[: len(seeds)]):
            continue
        expected = torch.autograd.grad(
            outputs[: len(seeds)],
            [tensors[place] for place in wrt],
            [to_torch(seed) for seed in seeds],
            allow_unused=True,
        )
        grads = RUN(gradient_graph(forward, wrt), [*sample.inputs, *seeds])
        for place, grad, wanted in zip(wrt, grads, expected):
            wanted = np.zeros_like(grad) if wanted is None else to_numpy(wanted)
            # Some of PyTorch's derivatives (of digamma) are good to ten digits only; the
            # differences in test_records are the finer test of size, this one is of choices.
            scale = 1 + np.abs(wanted[np.isfinite(wanted)]).max(initial=0.0)
            what = f"{name} sample {number} operand {place}"
            np.testing.assert_allclose(grad, wanted, 1e-8, 1e-8 * scale, err_msg=what)
