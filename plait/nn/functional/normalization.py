"""Normalisations over batch, instance, layer, group and neighbouring channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plait._tensor import Tensor, scalar_type
from plait._types import finfo
from plait.core.functional import arithmetic as fn
from plait.core.functional import normalization as norms
from plait.core.functional.arithmetic import rounded_once
from plait.core.functional.pooling import local_response_sums
from plait.core.ir import dtypes
from plait.core.ir.errors import error
from plait.core.lazy.modes import grad_mode
from plait.core.lazy.replay.function import one_step
from plait.core.ops.elementwise import ADD, MUL, cast
from plait.core.ops.norm import GROUP_NORM, LAYER_NORM, RMS_NORM
from plait.core.ops.reduce import MEAN
from plait.core.ops.rows import widen
from plait.core.ops.view import broadcast, reshape
from plait.nn.functional._arguments import require_float, require_tensor


def _with_parameters(name: str, input: Tensor, parts: Sequence[Any], message: str) -> Any:
    """(input, parameters) of one dtype: 16-bit inputs may have float32 parameters."""
    given = [p for p in parts if p is not None]
    if all(p.dtype is input.dtype for p in given):
        return input, list(parts)
    if input.dtype.is_half and all(p.dtype in (dtypes.float32, input.dtype) for p in given):
        return widen(input), [None if p is None else widen(p) for p in parts]
    received = ", ".join(scalar_type(p.dtype) for p in given)
    raise error(
        RuntimeError,
        f"mixed dtype (CPU): {message} ({name}: input {scalar_type(input.dtype)}, parameters "
        f"{received})",
    )


def _require_vectors(name: str, channels: int, **vectors: Tensor | None) -> None:
    for what, vector in vectors.items():
        if vector is not None and vector.numel() != channels:
            raise error(
                RuntimeError,
                f"{what} should contain {channels} elements not {vector.numel()} (in {name})",
            )


# -- batch ------------------------------------------------------------------------------------


def _blended(held: Tensor, new: Any, momentum: float) -> Tensor:
    """What a running statistic is to become."""
    with grad_mode(False):
        return norms.running(held.detach(), new.detach(), momentum)


def _update(held: Tensor, blended: Tensor) -> None:
    with grad_mode(False):
        held.assign(blended)


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel of (N, C, *) over the batch (arXiv:1502.03167).

    training: by the batch's own mean and biased variance, and the running statistics take in the
    mean and the unbiased variance by `momentum`. Otherwise by the running statistics. Raises
    ValueError for one value per channel or an `eps` of 0 in training, or a negative one;
    RuntimeError for other shapes and dtypes.
    """
    y, *running = _normalised(
        input, running_mean, running_var, weight, bias, training, momentum, eps
    )
    for held, new in zip((running_mean, running_var), running):
        assert held is not None, "there are new statistics where there were some"
        _update(held, new)
    return y


@one_step
def _normalised(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Tensor, ...]:
    """What `batch_norm` gives, and what the running statistics are to become in training."""
    require_tensor("batch_norm", "input", input, 1)
    channels = input.shape[1] if input.ndim > 1 else 0
    if training:
        _require_several(input)
        if eps <= 0.0:
            raise error(
                ValueError, f"batch_norm eps must be positive during training, but got {eps}"
            )
    elif eps < 0.0:
        raise error(ValueError, f"batch_norm eps must be non-negative, but got {eps}")
    if training and (running_mean is None) != (running_var is None):
        raise error(
            ValueError, "running_mean and running_var must either both be None or neither be None"
        )
    for what, held in (("running_mean", running_mean), ("running_var", running_var)):
        if held is None and not training:
            raise error(RuntimeError, f"{what} must be defined in evaluation mode")
    _require_vectors(
        "batch_norm",
        channels,
        running_mean=running_mean,
        running_var=running_var,
        weight=weight,
        bias=bias,
    )
    require_float("batch_norm", input)
    x, parts = _with_parameters(
        "batch_norm",
        input,
        (weight, bias, running_mean, running_var),
        "all inputs must share same datatype.",
    )
    if not input.numel():
        return (_without_values(cast(x, input.dtype), weight, bias),)
    if not training:
        scale, shift, mean, variance = [_wide(part) for part in parts]

        def formula(x: Any) -> Any:
            return norms.batch_norm_with(x, mean, variance, scale, shift, eps)

        return (cast(rounded_once(formula, x), input.dtype),)
    y, mean, variance = norms.batch_norm_training(x, parts[0], parts[1], float(eps))
    y = cast(y, input.dtype)
    if running_mean is None or running_var is None:
        return (y,)
    blended = _blended(running_mean, mean, momentum)
    # One tensor for both takes in one after the other.
    held = blended if running_var is running_mean else running_var
    return y, blended, _blended(held, variance, momentum)


def _without_values(y: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """Nothing, with gradients of 0: PyTorch leaves the running statistics as they are."""
    for part, apply in ((weight, MUL), (bias, ADD)):
        if part is not None and part.numel():
            y = apply(y, broadcast(cast(part[0], y.dtype), tuple(y.shape)))
    return y


def _wide(part: Any) -> Any:
    return None if part is None else widen(part)


def _require_several(input: Tensor) -> None:
    count = input.shape[0] if input.ndim else 0
    for n in input.shape[2:]:
        count *= n
    if count == 1:
        raise error(
            ValueError,
            "Expected more than 1 value per channel when training, got input size "
            f"{input.size()} (in batch_norm)",
        )


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel of each sample of (N, C, *) over its positions (arXiv:1607.08022)."""
    require_tensor("instance_norm", "input", input, 1)
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise error(
                RuntimeError,
                "Expected running_mean and running_var to be defined when use_input_stats is false",
            )
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    positions = 1
    for n in input.shape[2:]:
        positions *= n
    if positions == 1:
        raise error(
            ValueError,
            f"Expected more than 1 spatial element when training, got input size {input.size()}",
        )
    samples, channels = input.shape[:2]
    _require_vectors(
        "instance_norm",
        channels,
        running_mean=running_mean,
        running_var=running_var,
        weight=weight,
        bias=bias,
    )
    require_float("instance_norm", input)
    x, (scale, shift) = _with_parameters(
        "instance_norm", input, (weight, bias), "all inputs must share same datatype."
    )
    if running_mean is not None and running_var is not None:
        with grad_mode(False):
            # Each sample's channels side by side: statistics of every one of them.
            apart = reshape(input.detach(), (1, samples * channels, *input.shape[2:]))
            _, mean, variance = norms.batch_norm_training(apart, None, None, float(eps))
        for held, new in ((running_mean, mean), (running_var, variance)):
            over_samples = MEAN(reshape(new, (samples, channels)), axes=(0,))
            _update(held, _blended(held, reshape(over_samples, (channels,)), momentum))
    affine = norms.affine_operands(scale, shift, (channels,), x.dtype)
    return cast(GROUP_NORM(x, *affine, groups=channels, eps=float(eps)), input.dtype)


# -- layer, group, root mean square -----------------------------------------------------------


def _normalized_shape(name: str, input: Tensor, shape: Any, between: str) -> tuple[int, ...]:
    require_tensor(name, "input", input, 1)
    if hasattr(shape, "__index__") or not hasattr(shape, "__iter__"):
        raise error(
            TypeError,
            f"{name}(): argument 'normalized_shape' (position 2) must be tuple of ints, not "
            f"{type(shape).__name__}",
        )
    sizes = tuple([n.__index__() for n in shape])
    if not sizes:
        raise error(
            RuntimeError,
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one "
            "element, but got normalized_shape = []",
        )
    if tuple(input.shape[max(0, input.ndim - len(sizes)) :]) != sizes:
        wanted = ", ".join(map(str, sizes))
        raise error(
            RuntimeError,
            f"Given normalized_shape={list(sizes)}, expected input with shape "
            f"[*{between}{wanted}], but got input of size{list(input.shape)} (in layer_norm)",
        )
    return sizes


def _require_shape(what: str, part: Tensor | None, sizes: tuple[int, ...]) -> None:
    if part is not None and tuple(part.shape) != sizes:
        raise error(
            RuntimeError,
            f"Expected {what} to be of same shape as normalized_shape, but got {what} of shape "
            f"{list(part.shape)} and normalized_shape = {list(sizes)}",
        )


@one_step
def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise over the last axes, of shape `normalized_shape` (arXiv:1607.06450)."""
    sizes = _normalized_shape("layer_norm", input, normalized_shape, ", ")
    _require_shape("weight", weight, sizes)
    _require_shape("bias", bias, sizes)
    require_float("LayerNormKernelImpl", input)
    x, (scale, shift) = _with_parameters(
        "layer_norm",
        input,
        (weight, bias),
        f"expect parameter to have scalar type of {scalar_type(input.dtype)}",
    )
    axes = tuple(range(input.ndim - len(sizes), input.ndim))
    affine = norms.affine_operands(scale, shift, sizes, x.dtype)
    return cast(LAYER_NORM(x, *affine, axes=axes, eps=float(eps)), input.dtype)


def rms_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """Divide by the root mean square over the last axes (arXiv:1910.07467).

    eps None: the machine epsilon of the dtype that is computed in.
    """
    sizes = _normalized_shape("rms_norm", input, normalized_shape, "")
    _require_shape("weight", weight, sizes)
    require_float("rms_norm", input)
    x, (scale,) = _with_parameters(
        "rms_norm",
        input,
        (weight,),
        f"expect parameter to have scalar type of {scalar_type(input.dtype)}",
    )
    if eps is None:
        wide = dtypes.float64 if input.dtype is dtypes.float64 else dtypes.float32
        eps = finfo(wide).eps
    axes = tuple(range(input.ndim - len(sizes), input.ndim))
    affine = () if scale is None else (scale,)
    return cast(RMS_NORM(x, *affine, axes=axes, eps=float(eps)), input.dtype)


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each group of channels of each sample of (N, C, *) (arXiv:1803.08494)."""
    require_tensor("group_norm", "input", input, 1)
    if input.ndim < 2:
        raise error(
            RuntimeError,
            f"Expected at least 2 dimensions for input tensor but received {input.ndim}",
        )
    if num_groups <= 0:
        raise error(RuntimeError, f"Expected num groups to be greater than 0, got {num_groups}")
    channels = input.shape[1]
    if channels % num_groups:
        raise error(
            RuntimeError,
            "Expected number of channels in input to be divisible by num_groups, but got input of "
            f"shape {list(input.shape)} and num_groups={num_groups}",
        )
    per_group = input.shape[0] * (channels // num_groups)
    for n in input.shape[2:]:
        per_group *= n
    if per_group == 1:
        raise error(
            ValueError,
            "Expected more than 1 value per channel when training, got input size "
            f"{list(input.shape)}",
        )
    for what, part in (("weight", weight), ("bias", bias)):
        if part is not None and tuple(part.shape) != (channels,):
            raise error(
                RuntimeError,
                f"Expected {what} to be a vector of size equal to the number of channels in input, "
                f"but got {what} of shape {list(part.shape)} and input of shape "
                f"{list(input.shape)}",
            )
    require_float("GroupNormKernelImpl", input)
    x, (scale, shift) = _with_parameters(
        "group_norm",
        input,
        (weight, bias),
        f"expect parameter to have scalar type of {scalar_type(input.dtype)}",
    )
    affine = norms.affine_operands(scale, shift, (channels,), x.dtype)
    return cast(GROUP_NORM(x, *affine, groups=num_groups, eps=float(eps)), input.dtype)


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """input / (k + alpha * mean of squares over `size` neighbouring channels)^beta."""
    require_tensor("local_response_norm", "input", input, 1)
    if input.ndim < 3:
        raise error(
            ValueError,
            f"Expected 3D or higher dimensionality                          input (got "
            f"{input.ndim} dimensions)",
        )

    def formula(x: Any) -> Any:
        mean = local_response_sums(fn.square(x), size)
        return fn.div(x, fn.power(fn.add(fn.mul(mean, alpha), k), float(beta)))

    return rounded_once(formula, input)
