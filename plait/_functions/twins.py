"""Functions that PyTorch has under a second name or in a form that its own modules call."""

from __future__ import annotations

from typing import Any

from plait._functions.common import public
from plait._functions.indexing import nonzero
from plait._functions.joining import cat
from plait._functions.pointwise import rsqrt
from plait._functions.reduction import mean as average
from plait._tensor import Tensor
from plait.core.ir.errors import error


@public(method=False)
def constant_pad_nd(input: Tensor, pad: Any, value: float = 0) -> Tensor:
    """`nn.functional.pad` with a constant."""
    from plait.nn.functional import pad as padded

    return padded(input, tuple(pad), "constant", value)


@public
def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """The first `size` places of `nonzero`, filled up with `fill_value` rows."""
    if size < 0:
        raise error(
            RuntimeError, f"nonzero_static: 'size' must be an non-negative integer, got {size}"
        )
    found = nonzero(input)[:size]
    missing = size - found.shape[0]
    if not missing:
        return found
    return cat([found, found.new_full((missing, input.ndim), fill_value)], 0)


@public(method=False)
def native_layer_norm(
    input: Tensor, normalized_shape: Any, weight: Any, bias: Any, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """(layer norm, mean, 1 / standard deviation) over the last axes, those kept with extent 1.

    No gradient flows through the second and third result; in PyTorch it is ignored.
    """
    from plait.nn.functional import layer_norm

    shape = tuple(normalized_shape)
    axes = tuple(range(input.ndim - len(shape), input.ndim))
    center = average(input, axes, keepdim=True)
    spread = average((input - center) ** 2, axes, keepdim=True)
    y = layer_norm(input, shape, weight, bias, eps)
    return y, center.detach(), rsqrt(spread + eps).detach()


@public(method=False)
def native_batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """(batch norm, mean, 1 / standard deviation of each channel); the last two empty in evaluation.

    No gradient flows through the second and third result; in PyTorch it is ignored.
    """
    from plait.nn.functional import batch_norm

    axes = tuple([i for i in range(input.ndim) if i != 1])
    center = spread = input.new_empty((0,))
    if training:
        x = input.detach()
        average_of = average(x, axes, keepdim=True)
        variance = average((x - average_of) ** 2, axes)
        center, spread = average_of.reshape(-1), rsqrt(variance + eps)
    y = batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    return y, center, spread


@public(method=False)
def native_group_norm(
    input: Tensor, weight: Any, bias: Any, N: int, C: int, HxW: int, group: int, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """(group norm, mean and 1 / standard deviation per sample and group)."""
    from plait.nn.functional import group_norm

    parts = input.reshape(N, group, C // group * HxW)
    center = average(parts, 2)
    spread = average((parts - center[:, :, None]) ** 2, 2)
    return group_norm(input, group, weight, bias, eps), center, rsqrt(spread + eps)


@public(method=False)
def native_dropout_backward(grad_output: Tensor, mask: Tensor, scale: float) -> Tensor:
    """The gradient of dropout: what its mask kept, times `scale`."""
    return grad_output * mask.to(grad_output.dtype) * scale


def _grid_sampler(name: str) -> Any:
    def sampler(
        input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
    ) -> Tensor:
        from plait.nn.functional import grid_sample

        return grid_sample(
            input,
            grid,
            ("bilinear", "nearest", "bicubic")[interpolation_mode],
            ("zeros", "border", "reflection")[padding_mode],
            align_corners,
        )

    sampler.__name__ = name
    sampler.__doc__ = "`nn.functional.grid_sample`, its modes by number."
    return public(sampler, method=False)


grid_sampler_2d = _grid_sampler("grid_sampler_2d")
grid_sampler_3d = _grid_sampler("grid_sampler_3d")


@public
def matrix_exp(input: Tensor) -> Tensor:
    """`torch.linalg.matrix_exp`."""
    from plait.linalg import matrix_exp as compute

    return compute(input)
