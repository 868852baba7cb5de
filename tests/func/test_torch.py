"""`torch.func` in PyTorch and here: the same results, the same exceptions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import plait

torch = pytest.importorskip("torch", reason="compares with PyTorch")


def _batched_starts(t: Any, x: Any) -> Any:
    x = x.clone().requires_grad_()
    starts = t.eye(3, dtype=x.dtype)
    return t.autograd.grad(x.sin() * x.sum(), (x,), starts, is_grads_batched=True)


CASES: dict[str, Callable[[Any, Any], Any]] = {
    "grad": lambda t, x: t.func.grad(lambda v: v.sin().prod())(x),
    "grad_and_value": lambda t, x: t.func.grad_and_value(lambda v: v.tanh().sum())(x),
    "vjp": lambda t, x: t.func.vjp(lambda v: v[None] * v[:, None], x)[1](t.ones_like(x).outer(x)),
    "jvp": lambda t, x: t.func.jvp(lambda v, u: (v * u, v.exp()), (x, x + 1), (x, x * 2)),
    "jacrev": lambda t, x: t.func.jacrev(lambda v: {"a": v.sin(), "b": v.sum()})(x),
    "jacfwd": lambda t, x: t.func.jacfwd(lambda v, u: (v * u, u.sum()), argnums=(0, 1))(x, x + 1),
    "hessian": lambda t, x: t.func.hessian(lambda v: (v**4).sum() * v[0])(x),
    "vmap_in_out": lambda t, x: t.vmap(lambda v, u: (v + u, u), (0, None), (0, None))(x, x),
    "vmap_tree": lambda t, x: t.vmap(lambda d: {"s": d["x"] * d["y"]}, ({"x": 0, "y": None},))(
        {"x": x, "y": x}
    ),
    "vmap_jvp": lambda t, x: t.vmap(lambda v: t.func.jvp(t.sin, (v,), (v,))[1])(x),
    "per_sample": lambda t, x: t.vmap(t.func.grad(lambda w, v: (w * v).sin().sum()), (None, 0))(
        x, x.outer(x)
    ),
    "is_grads_batched": lambda t, x: _batched_starts(t, x),
    "wrong_argnums": lambda t, x: t.func.grad(lambda v: v.sum(), argnums=3)(x),
    "not_a_scalar": lambda t, x: t.func.grad(lambda v: v)(x),
    "not_a_tensor": lambda t, x: t.func.grad(lambda v: 1)(x),
    "sizes": lambda t, x: t.vmap(t.add)(x, x[:2]),
    "in_dim": lambda t, x: t.vmap(t.sin, in_dims=1)(x),
    "in_dims_structure": lambda t, x: t.vmap(t.add, in_dims=(0,))(x, x),
    "no_inputs": lambda t, x: t.vmap(t.sin)(),
    "returns_number": lambda t, x: t.vmap(lambda v: 2)(x),
    "branch": lambda t, x: t.vmap(lambda v: v if v > 0 else -v)(x),
    "randomness": lambda t, x: t.vmap(lambda v: v + t.rand(2))(x),
    "unknown_name": lambda t, x: t.func.functional_call(
        t.nn.Linear(3, 1), {"x": x}, (x,), strict=True
    ),
}


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for key in sorted(value) for leaf in _leaves(value[key])]
    if isinstance(value, (tuple, list)):
        return [leaf for part in value for leaf in _leaves(part)]
    return [np.asarray(value.detach().numpy())]


@pytest.mark.parametrize("name", CASES)
def test_as_pytorch(name: str) -> None:
    data = np.array([0.5, -1.25, 2.0])
    try:
        expected = CASES[name](torch, torch.tensor(data))
    except Exception as fault:
        # PyTorch raises its own kinds of these.
        kind = next(
            k for k in (KeyError, ValueError, TypeError, RuntimeError) if isinstance(fault, k)
        )
        with pytest.raises(kind):
            CASES[name](plait, plait.tensor(data))
        return
    found = CASES[name](plait, plait.tensor(data))
    for a, b in zip(_leaves(found), _leaves(expected), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
