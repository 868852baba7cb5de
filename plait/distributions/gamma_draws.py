"""Draws of gamma and Dirichlet variables, and gradients through them.

Draws follow Marsaglia & Tsang, *A Simple Method for Generating Gamma Variables* (2000). They are
made from the generator's uniform and normal numbers, so that they follow its seed, but are not
PyTorch's own numbers. Gradients are implicit ones: how a draw moves with the parameters where its
uniform number stays (`core.ops.numeric.special_draws`); PyTorch has fits of them with three digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from plait._functions import pointwise as pw
from plait._functions.common import tensor_argument
from plait._functions.creation import owned
from plait._functions.random import rand, randn
from plait._promotion import float_result
from plait._tensor import Tensor
from plait.autograd.function import Function
from plait.core.ir import dtypes
from plait.core.ir.errors import error
from plait.core.ops.draw_slopes import BETA_SLOPE, GAMMA_SLOPE

__all__ = [
    "_dirichlet_grad",
    "_sample_dirichlet",
    "_standard_gamma",
    "_standard_gamma_grad",
    "drawn_dirichlet",
]


def _standard_gamma(input: Tensor, generator: Any = None) -> Any:
    """A draw of the gamma distribution of rate 1 for each shape in `input`, with gradient to it.

    Raises TypeError for what is no tensor, RuntimeError for one that is not floating.
    """
    _floating("_standard_gamma", input)
    return _GammaDraw.apply(input, generator)


def _standard_gamma_grad(input: Tensor, output: Tensor) -> Any:
    """How draws `output` of `_standard_gamma(input)` move with the shapes."""
    _floating("_standard_gamma_grad", input)
    return pw.apply(GAMMA_SLOPE, float_result(input, output), input, output)


def _sample_dirichlet(concentration: Tensor, generator: Any = None) -> Any:
    """Draws of the Dirichlet distributions along the last axis, with gradient."""
    _floating("_sample_dirichlet", concentration)
    return drawn_dirichlet(concentration, generator)


def _dirichlet_grad(x: Tensor, alpha: Tensor, total: Tensor) -> Any:
    """How draws x of Dirichlet distributions move with their own concentration `alpha`.

    Divided by 1 - x, as in PyTorch; `total` is the sum of the concentrations.
    """
    _floating("_dirichlet_grad", x)
    dtype = float_result(x, alpha)
    rest = pw.sub(total, alpha)
    return pw.div(pw.apply(BETA_SLOPE, dtype, x, alpha, rest), pw.sub(1, x))


def drawn_dirichlet(concentration: Tensor, generator: Any = None) -> Any:
    """Draws of the Dirichlet distributions along the last axis, with gradient."""
    return _DirichletDraw.apply(concentration, generator)


class _GammaDraw(Function):
    @staticmethod
    def forward(ctx: Any, concentration: Tensor, generator: Any) -> Tensor:
        drawn = _gamma_array(concentration, generator)
        # Zero would have no logarithm.
        made = owned(np.maximum(drawn, _smallest(concentration)).astype(concentration.dtype.numpy))
        ctx.save_for_backward(concentration, made)
        return made

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        return pw.mul(grad_outputs[0], _standard_gamma_grad(*ctx.saved_tensors)), None


class _DirichletDraw(Function):
    @staticmethod
    def forward(ctx: Any, concentration: Tensor, generator: Any) -> Tensor:
        drawn = _gamma_array(concentration, generator)
        shares = drawn / drawn.sum(-1, keepdims=True)
        made = owned(np.maximum(shares, _smallest(concentration)).astype(concentration.dtype.numpy))
        ctx.save_for_backward(concentration, made)
        return made

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        # A share that moves takes from the others in their proportions.
        concentration, x = ctx.saved_tensors
        grad: Any = grad_outputs[0]
        total = pw.add(concentration.sum(-1, keepdim=True), pw.mul(concentration, 0))
        mean: Any = pw.mul(x, grad)
        own = pw.sub(grad, mean.sum(-1, keepdim=True))
        return pw.mul(_dirichlet_grad(x, concentration, total), own), None


def _gamma_array(concentration: Any, generator: Any) -> np.ndarray:
    """Gamma variables with scale 1, in float64."""
    shape = np.asarray(concentration.detach().compute(), np.float64)
    # Below 1: draw for one more and shrink by U^(1/shape).
    boosted = np.where(shape < 1, shape + 1, shape).reshape(-1)
    d = boosted - 1 / 3
    c = 1 / np.sqrt(9 * d)
    drawn = np.empty_like(boosted)
    open_places = np.arange(boosted.size)
    while open_places.size:
        count = open_places.size
        x = np.asarray(randn(count, dtype=dtypes.float64, generator=generator).compute())
        u = np.asarray(rand(count, dtype=dtypes.float64, generator=generator).compute())
        v = (1 + c[open_places] * x) ** 3
        with np.errstate(invalid="ignore", divide="ignore"):
            limit = 0.5 * x**2 + d[open_places] * (1 - v + np.log(v))
            accepted = (v > 0) & (np.log(u) < limit)
        drawn[open_places[accepted]] = (d[open_places] * v)[accepted]
        open_places = open_places[~accepted]
    drawn = drawn.reshape(shape.shape)
    if (shape < 1).any():
        u = np.asarray(rand(shape.shape, dtype=dtypes.float64, generator=generator).compute())
        drawn = np.where(shape < 1, drawn * (1 - u) ** (1 / shape), drawn)
    return drawn


def _smallest(like: Tensor) -> float:
    """The least draw: the least normal number of the dtype, or of float32 for 16-bit ones."""
    wide = like.dtype is dtypes.float64
    return float(np.finfo(np.float64 if wide else np.float32).tiny)


def _floating(name: str, value: Any) -> None:
    tensor_argument(name, "input", value)
    if value.dtype.kind != "f":
        raise error(
            RuntimeError,
            f"{name}: expected a floating tensor, but got {value.dtype}; convert it with .float()",
        )
