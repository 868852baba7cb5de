"""Activations: elementwise, and along one axis (softmax, glu, normalize)."""

from __future__ import annotations

from typing import Any

from plait._functions.common import require_dtype, takes_out
from plait._promotion import can_cast, float_result
from plait._tensor import Tensor, scalar_type
from plait.core.functional import activations
from plait.core.functional import arithmetic as fn
from plait.core.functional.axes import normal_axes, normal_axis
from plait.core.functional.distances import norm
from plait.core.functional.numbers import number_for
from plait.core.ir.errors import error, warn
from plait.core.lazy.replay.function import one_step
from plait.core.ops import activation as ops
from plait.core.ops.elementwise import LOG, NEG, cast
from plait.core.ops.index import SCATTER
from plait.core.ops.math import RELU, SIGMOID, TANH
from plait.core.ops.reduce import ARGMAX
from plait.core.ops.softmax import LOG_SOFTMAX, SOFTMAX
from plait.core.ops.source import full
from plait.core.ops.view import broadcast, reshape
from plait.nn.functional import _draws
from plait.nn.functional._arguments import (
    require_float,
    require_tensor,
    snapshot,
    store,
)


def _operand(name: str, kernel: str, input: Any, inplace: bool) -> Any:
    """The checked input; before an in-place write, what it holds now."""
    require_tensor(name, "input", input, 1)
    require_float(kernel, input)
    return snapshot(input) if inplace else input


# -- elementwise ------------------------------------------------------------------------------


@one_step
def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(input, 0)."""
    require_tensor("relu", "input", input, 1)
    if input.dtype.kind == "b":
        raise error(RuntimeError, "Boolean inputs not supported for relu")
    return store("relu_", input, RELU(snapshot(input) if inplace else input), inplace)


def relu_(input: Tensor) -> Tensor:
    """In-place `relu`."""
    return relu(input, True)


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """input limited to [min_val, max_val]. Raises ValueError where min_val > max_val."""
    require_tensor("hardtanh", "input", input, 1)
    if min_val > max_val:
        raise error(ValueError, "min_val cannot be greater than max_val")
    if input.dtype.kind == "b":
        raise error(RuntimeError, "Bool inputs not supported for hardtanh")
    x = snapshot(input) if inplace else input
    return store("hardtanh_", input, fn.within(x, min_val, max_val), inplace)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """In-place `hardtanh`."""
    return hardtanh(input, min_val, max_val, True)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(input, 0), 6)."""
    return hardtanh(input, 0.0, 6.0, inplace)


@one_step
def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """input where positive, else alpha * (exp(input) - 1)."""
    x = _operand("elu", "elu_cpu", input, inplace)
    return store("elu_", input, ops.ELU(x, alpha=float(alpha)), inplace)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """In-place `elu`."""
    return elu(input, alpha, True)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """Self-normalising elu (arXiv:1706.02515)."""
    x = _operand("selu", "elu_cpu", input, inplace)
    return store("selu_", input, activations.selu(x), inplace)


def selu_(input: Tensor) -> Tensor:
    """In-place `selu`."""
    return selu(input, True)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """max(0, x) + min(0, alpha (exp(x / alpha) - 1)). Raises RuntimeError for alpha = 0."""
    if alpha == 0:
        raise error(RuntimeError, "ZeroDivisionError: alpha cannot be 0 for CELU")
    x = _operand("celu", "elu_cpu", input, inplace)
    return store("celu_", input, activations.celu(x, float(alpha)), inplace)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """In-place `celu`."""
    return celu(input, alpha, True)


@one_step
def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """input where positive, else negative_slope * input."""
    x = _operand("leaky_relu", "leaky_relu_cpu", input, inplace)
    return store("leaky_relu_", input, ops.LEAKY_RELU(x, slope=float(negative_slope)), inplace)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """In-place `leaky_relu`."""
    return leaky_relu(input, negative_slope, True)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """input where positive, else weight * input, with one weight or one per channel (axis 1)."""
    require_tensor("prelu", "input", input, 1)
    require_tensor("prelu", "weight", weight, 2)
    if input.dtype is not weight.dtype:
        raise error(
            RuntimeError,
            f"prelu: Type promoting not supported. Got {scalar_type(input.dtype)} and "
            f"{scalar_type(weight.dtype)}",
        )
    if weight.numel() != 1:
        if input.ndim == 0:
            raise error(RuntimeError, "Not allow zero-dim input tensor.")
        channels = input.shape[1] if input.ndim > 1 else 1
        if channels != weight.numel():
            raise error(
                RuntimeError,
                f"Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                f"{weight.numel()} and channel size = {channels}. (prelu: input "
                f"{list(input.shape)})",
            )
    if weight.ndim > 1:
        raise error(
            RuntimeError,
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}",
        )
    shape = [1] * input.ndim
    if input.ndim > 1:
        shape[1] = weight.numel()
    slope = broadcast(reshape(weight, tuple(shape)), tuple(input.shape))
    return fn.where(fn.greater(input, 0), input, fn.mul(input, slope))


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """leaky_relu whose slope is drawn from [lower, upper) in training, else their mean."""
    if lower > upper:
        raise error(
            RuntimeError,
            f"Lower bound should be less than or equal to the upper bound (rrelu: lower={lower}, "
            f"upper={upper})",
        )
    x = _operand("rrelu", "leaky_relu_cpu", input, inplace)
    if not training:
        return store("rrelu_", input, ops.LEAKY_RELU(x, slope=(lower + upper) / 2), inplace)
    slope = fn.add(fn.mul(_draws.uniform(x.shape, x.dtype), upper - lower), lower)
    return store("rrelu_", input, fn.where(fn.greater(x, 0), x, fn.mul(x, slope)), inplace)


def rrelu_(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False
) -> Tensor:
    """In-place `rrelu`."""
    return rrelu(input, lower, upper, training, True)


@takes_out
@one_step
def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """input times the normal distribution function; "tanh" approximates it (arXiv:1606.08415)."""
    if approximate not in ("none", "tanh"):
        raise error(
            RuntimeError,
            f"approximate argument must be either none or tanh. (gelu received {approximate!r})",
        )
    return ops.GELU(_operand("gelu", "GeluKernelImpl", input, False), approximate=approximate)


@one_step
def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """input * sigmoid(input)."""
    x = _operand("silu", "silu_cpu", input, inplace)
    return store("silu_", input, ops.SILU(x), inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """input * tanh(softplus(input))."""
    x = _operand("mish", "mish_cpu", input, inplace)
    return store("mish_", input, activations.mish(x), inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """input * hardsigmoid(input)."""
    x = _operand("hardswish", "hardswish_cpu", input, inplace)
    return store("hardswish_", input, activations.hard_swish(x), inplace)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """clamp(input / 6 + 1/2, 0, 1)."""
    x = _operand("hardsigmoid", "hardsigmoid_cpu", input, inplace)
    return store("hardsigmoid_", input, activations.hard_sigmoid(x), inplace)


@takes_out
def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """0 where |input| <= lambd, else input."""
    return activations.hard_shrink(_operand("hardshrink", "hardshrink_cpu", input, False), lambd)


@takes_out
def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """input moved towards 0 by lambd. Raises RuntimeError for a negative lambd."""
    x = _operand("softshrink", "softshrink_check", input, False)
    if not lambd >= 0:
        raise error(
            RuntimeError,
            f"lambda must be in range [0, inf) for input dtype {scalar_type(x.dtype)}, but found "
            f"{lambd}",
        )
    return activations.soft_shrink(x, lambd)


def tanhshrink(input: Tensor) -> Tensor:
    """input - tanh(input)."""
    require_tensor("tanhshrink", "input", input, 1)
    return activations.tanh_shrink(cast(input, float_result(input)))


@takes_out
def softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    """log(1 + exp(beta input)) / beta; input itself where beta * input > threshold."""
    x = _operand("softplus", "softplus_cpu", input, False)
    return ops.SOFTPLUS(x, beta=float(beta), threshold=float(threshold))


def softsign(input: Tensor) -> Tensor:
    """input / (1 + |input|)."""
    require_tensor("softsign", "input", input, 1)
    return activations.soft_sign(cast(input, float_result(input)))


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """input where it is above the threshold, else value."""
    require_tensor("threshold", "input", input, 1)
    x = snapshot(input) if inplace else input
    bound = number_for(threshold, x.dtype)
    return store("threshold_", input, fn.where(fn.at_most(x, bound), value, x), inplace)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """In-place `threshold`."""
    return globals()["threshold"](input, threshold, value, True)


@one_step
def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-input))."""
    require_tensor("sigmoid", "input", input, 1)
    return SIGMOID(cast(input, float_result(input)))


@one_step
def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    require_tensor("tanh", "input", input, 1)
    return TANH(cast(input, float_result(input)))


@takes_out
def logsigmoid(input: Tensor) -> Tensor:
    """log(sigmoid(input)), computed without overflow."""
    return activations.log_sigmoid(_operand("logsigmoid", "log_sigmoid_cpu", input, False))


# -- along an axis ----------------------------------------------------------------------------


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half along `dim` times the sigmoid of the second (arXiv:1612.08083)."""
    require_tensor("glu", "input", input, 1)
    if input.ndim == 0:
        raise error(RuntimeError, "glu does not support scalars because halving size must be even")
    axis = normal_axis(dim, input.ndim, "glu")
    if input.shape[axis] % 2:
        raise error(
            RuntimeError,
            f"Halving dimension must be even, but dimension {axis} is size {input.shape[axis]} "
            f"(glu: input of shape {list(input.shape)})",
        )
    require_float("glu_cpu", input)
    return activations.gated_half(input, axis, SIGMOID)


def _implicit_dim(name: str, rank: int) -> int:
    warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include "
        "dim=X as an argument.",
    )
    return 0 if rank in (0, 1, 3) else 1


def _along(name: str, op: Any, input: Tensor, dim: int | None, dtype: Any) -> Tensor:
    require_tensor(name, "input", input, 1)
    if dim is None:
        dim = _implicit_dim(name, input.ndim)
    wanted = require_dtype(name, dtype)
    x = input if wanted is None else cast(input, wanted)
    axis = normal_axis(dim, x.ndim, name)
    require_float(f"{name}_lastdim_kernel_impl", x)
    if x.ndim == 0:
        return reshape(op(reshape(x, (1,)), axis=0), ())
    return op(x, axis=axis)


@one_step
def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """exp(input) divided by its sum along `dim`, in `dtype` where one is given."""
    return _along("softmax", SOFTMAX, input, dim, dtype)


@one_step
def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """The logarithm of softmax along `dim`, computed without leaving the logarithms."""
    return _along("log_softmax", LOG_SOFTMAX, input, dim, dtype)


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """softmax of -input."""
    require_tensor("softmin", "input", input, 1)
    if dim is None:
        dim = _implicit_dim("softmin", input.ndim)
    return _along("softmax", SOFTMAX, NEG(input), dim, dtype)


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """A draw from the Gumbel-softmax distribution (arXiv:1611.01144).

    hard: one-hot draws, whose gradient is that of the soft ones. eps: not used, as in PyTorch.
    """
    if eps != 1e-10:
        warn("`eps` parameter is deprecated and has no effect.")
    if logits.dtype.kind != "f":
        raise error(
            RuntimeError,
            "Exponential distribution is a continuous probability distribution. dtype must be a "
            f"floating point but you specified {scalar_type(logits.dtype)}",
        )
    axis = normal_axis(dim, logits.ndim, "gumbel_softmax")
    # Minus the logarithm of an exponential draw: PyTorch's way, hence PyTorch's draws.
    gumbels = NEG(LOG(_draws.exponential(logits.shape, logits.dtype)))
    soft = softmax(fn.div(fn.add(logits, gumbels), float(tau)), axis)
    if not hard or logits.ndim == 0:
        return soft
    # The one-hot draw forwards; backwards the soft one, whose own value cancels.
    best = ARGMAX(soft.detach(), axis=axis)
    ones = full(1, tuple(best.shape), soft.dtype)
    hot = SCATTER(full(0, tuple(soft.shape), soft.dtype), best, ones, axis=axis, mode="set")
    return fn.add(fn.sub(hot, soft.detach()), soft)


def normalize(
    input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """input divided by its p-norm along `dim`, or by eps where that is larger."""
    if input.dtype.kind not in "fc":
        raise error(
            RuntimeError,
            "linalg.vector_norm: Expected a floating point or complex tensor as input. Got "
            f"{scalar_type(input.dtype)}",
        )
    axes = normal_axes(dim, input.ndim, "normalize")
    size = norm(input, float(p), axes, keep=True)
    result = fn.div(input, fn.where(fn.less(size, eps), eps, size))
    if out is None:
        return result
    if not can_cast(result.dtype, out.dtype):
        raise error(RuntimeError, f"normalize: result type {result.dtype} can't be cast to out's")
    return out.copy_(result)
