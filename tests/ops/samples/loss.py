"""Samples of the losses over class labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir.dtypes import DType
from plait.core.ops.loss import REDUCTIONS
from tests.ops.samples import Sample, SampleMaker, values

SHAPES = ((5, 4), (2, 3, 4), (2, 3, 2, 2))


def _labels(
    rng: np.random.Generator, shape: tuple[int, ...], ignore: int, some_ignored: bool
) -> np.ndarray:
    target = rng.integers(0, shape[1], (shape[0], *shape[2:]))
    if some_ignored:
        target.flat[1] = ignore
    return target


def _cases(rng: np.random.Generator, dtype: DType, **attrs: Any) -> list[Sample]:
    samples = []
    for shape in SHAPES:
        for reduction in REDUCTIONS:
            for weighted in (False, True):
                ignore = -100 if weighted else 1
                target = _labels(rng, shape, ignore, some_ignored=True)
                weight = (values(rng, dtype, (shape[1],), 0.3, 2.0),) if weighted else ()
                samples.append(
                    Sample(
                        (values(rng, dtype, shape), target, *weight),
                        {"ignore": ignore, "reduction": reduction, **attrs},
                    )
                )
    empty = Sample(
        (values(rng, dtype, (0, 3)), np.zeros((0,), np.int64)),
        {"ignore": -100, "reduction": "sum", **attrs},
    )
    return [*samples, empty]


def _nll(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return _cases(rng, dtype)


def _cross_entropy(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return _cases(rng, dtype, smoothing=0.0) + _cases(rng, dtype, smoothing=0.2)


def _cross_entropy_grad(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    samples = []
    for sample in _cross_entropy(rng, dtype):
        target = sample.inputs[1]
        shape = target.shape if sample.attrs["reduction"] == "none" else ()
        samples.append(Sample((values(rng, dtype, shape), *sample.inputs), sample.attrs))
    return samples


def _binary_cross_entropy(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [
        Sample((values(rng, dtype, shape, 0.1, 0.9), values(rng, dtype, shape, 0.1, 0.9)))
        for shape in ((), (0, 3), (4, 3))
    ]


def _check_label(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    attrs = {"classes": 4, "ignore": -100}
    return [
        Sample((np.array([0, 3, -100, 1]),), attrs),
        Sample((np.zeros((0, 2), np.int64),), attrs),
        Sample((np.array(2),), attrs),
    ]


SAMPLES: dict[str, SampleMaker] = {
    "nll_loss": _nll,
    "cross_entropy": _cross_entropy,
    "cross_entropy_grad": _cross_entropy_grad,
    "binary_cross_entropy": _binary_cross_entropy,
    "check_label": _check_label,
}


def _torch_nll(torch: Any, logp: Any, target: Any, *weight: Any, **attrs: Any) -> Any:
    return torch.nn.functional.nll_loss(
        logp, target, *weight, ignore_index=attrs["ignore"], reduction=attrs["reduction"]
    )


def _torch_cross_entropy(torch: Any, logits: Any, target: Any, *weight: Any, **attrs: Any) -> Any:
    return torch.nn.functional.cross_entropy(
        logits,
        target,
        *weight,
        ignore_index=attrs["ignore"],
        reduction=attrs["reduction"],
        label_smoothing=attrs["smoothing"],
    )


def _torch_gradient(torch: Any, g: Any, logits: Any, *rest: Any, **attrs: Any) -> Any:
    logits = logits if logits.requires_grad else logits.requires_grad_()
    loss = _torch_cross_entropy(torch, logits, *rest, **attrs)
    return torch.autograd.grad(loss, logits, g, create_graph=True)


TORCH = {
    "nll_loss": _torch_nll,
    "cross_entropy": _torch_cross_entropy,
    "cross_entropy_grad": _torch_gradient,
}
