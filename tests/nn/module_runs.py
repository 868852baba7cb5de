"""Running a layer of `module_cases` under one framework."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.nn.module_cases import Case


def run(framework: Any, layer: Any, case: Case) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Outputs, then gradients of inputs and parameters for a fixed cotangent."""
    floats = [framework.from_numpy(x) for x in case.floats()]
    for x in floats[: len(floats) - case.constants]:
        x.requires_grad_()
    ints = [framework.from_numpy(x) for x in case.ints()]
    # In-place layers must not write to a leaf.
    inputs = [x * 1.0 for x in floats] + ints
    outputs = flatten(layer(*inputs))
    rng = np.random.default_rng(2)
    total: Any = 0.0
    for out in outputs:
        cotangent = framework.from_numpy(rng.standard_normal(tuple(out.shape)))
        total = total + (out * cotangent).sum()
    leaves = [*floats, *layer.parameters()]
    if leaves:
        total.backward()
    gradients = [leaf.grad for leaf in leaves if leaf.grad is not None]
    return (
        [np.array(out.detach().numpy()) for out in outputs],
        [np.array(gradient.numpy()) for gradient in gradients],
    )


def flatten(value: Any) -> list[Any]:
    if isinstance(value, (tuple, list)):
        return [leaf for item in value for leaf in flatten(item)]
    return [] if value is None else [value]
