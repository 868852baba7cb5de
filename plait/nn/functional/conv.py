"""Convolutions over 1 to 3 spatial axes and their transposes, batched or not."""

from __future__ import annotations

from typing import Any

from plait._autocast import lower
from plait._tensor import Tensor, scalar_type
from plait.core.ir.errors import error
from plait.core.lazy.replay.function import one_step
from plait.core.ops.conv import CONV, conv_transpose
from plait.core.ops.elementwise import ADD
from plait.core.ops.view import broadcast, reshape
from plait.nn.functional._arguments import (
    c_name,
    per_axis,
    require_tensor,
    with_batch,
    without_batch,
)


def _require_rank(name: str, input: Tensor, weight: Tensor, rank: int) -> None:
    require_tensor(name, "input", input, 1)
    require_tensor(name, "weight", weight, 2)
    if weight.ndim != rank + 2:
        raise error(
            RuntimeError,
            f"{name}: expected a weight with {rank + 2} dimensions, but got weight of size "
            f"{list(weight.shape)}",
        )
    if input.ndim not in (rank + 1, rank + 2):
        raise error(
            RuntimeError,
            f"Expected {rank + 1}D (unbatched) or {rank + 2}D (batched) input to {name}, but got "
            f"input of size: {list(input.shape)}",
        )


def _require_dtypes(name: str, input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    if input.dtype is not weight.dtype:
        raise error(
            RuntimeError,
            f"expected scalar type {scalar_type(input.dtype)} but found "
            f"{scalar_type(weight.dtype)} ({name}: input "
            f"{input.dtype.name}{list(input.shape)}, weight "
            f"{weight.dtype.name}{list(weight.shape)})",
        )
    if bias is not None and bias.dtype is not input.dtype:
        raise error(
            RuntimeError,
            f"Input type ({c_name(input.dtype)}) and bias type ({c_name(bias.dtype)}) should be "
            f"the same ({name})",
        )


def _require_positive(stride: Any, padding: Any, dilation: Any, groups: int) -> None:
    if any(p < 0 for p in padding):
        raise error(RuntimeError, f"negative padding is not supported (padding={list(padding)})")
    if any(s < 1 for s in stride):
        raise error(RuntimeError, f"non-positive stride is not supported (stride={list(stride)})")
    if any(d < 1 for d in dilation):
        raise error(RuntimeError, f"dilation should be greater than zero, but got {list(dilation)}")
    if groups < 1:
        raise error(RuntimeError, f"non-positive groups is not supported (groups={groups})")


def _require_divisible(weight: Tensor, groups: int) -> None:
    if weight.shape[0] % groups:
        raise error(
            RuntimeError,
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, "
            f"but got weight of size [{list(weight.shape)}] instead",
        )


def _require_channels(name: str, given: str, x: Any, weight: Tensor, channels: int) -> None:
    if x.shape[1] != channels:
        raise error(
            RuntimeError,
            f"Given {given}, weight of size {list(weight.shape)}, expected "
            f"input{list(x.shape)} to have {channels} channels, but got {x.shape[1]} channels "
            f"instead (in {name})",
        )


def _require_bias(given: str, weight: Tensor, bias: Tensor | None, outputs: int) -> None:
    if bias is not None and tuple(bias.shape) != (outputs,):
        raise error(
            RuntimeError,
            f"Given {given}weight of size {list(weight.shape)}, expected bias to be 1-dimensional "
            f"with {outputs} elements, but got bias of size {list(bias.shape)} instead",
        )


def _padding_pairs(
    name: str, padding: Any, weight: Tensor, stride: Any, dilation: Any, rank: int
) -> tuple[tuple[int, int], ...]:
    """(low, high) for each spatial axis, from numbers or from "same" and "valid"."""
    if not isinstance(padding, str):
        return tuple([(p, p) for p in per_axis(name, "padding", padding, rank)])
    if padding == "valid":
        return ((0, 0),) * rank
    if padding != "same":
        raise error(
            RuntimeError, f"Invalid padding string: '{padding}' ({name} takes 'same' or 'valid')"
        )
    if any(s != 1 for s in stride):
        raise error(
            RuntimeError,
            f"padding='same' is not supported for strided convolutions (stride={list(stride)})",
        )
    whole = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:])]
    return tuple([(n // 2, n - n // 2) for n in whole])


def _require_kernel_fits(name: str, x: Any, weight: Tensor, padding: Any, dilation: Any) -> None:
    padded = [n + low + high for n, (low, high) in zip(x.shape[2:], padding)]
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, weight.shape[2:])]
    if any(n < k for n, k in zip(padded, reach)):
        raise error(
            RuntimeError,
            f"Calculated padded input size per channel: ({' x '.join(map(str, padded))}). Kernel "
            f"size: ({' x '.join(map(str, reach))}). Kernel size can't be greater than actual "
            f"input size ({name}: input {list(x.shape)}, weight {list(weight.shape)})",
        )


def _plus_bias(y: Any, bias: Tensor | None) -> Any:
    if bias is None:
        return y
    column = reshape(bias, (1, bias.shape[0], *[1] * (len(y.shape) - 2)))
    return ADD(y, broadcast(column, tuple(y.shape)))


def _convolve(
    rank: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Tensor:
    name = f"conv{rank}d"
    _require_rank(name, input, weight, rank)
    strides = per_axis(name, "stride", stride, rank)
    dilations = per_axis(name, "dilation", dilation, rank)
    pairs = _padding_pairs(name, padding, weight, strides, dilations, rank)
    _require_positive(strides, [low for low, _ in pairs], dilations, groups)
    input, weight, bias = lower(input, weight, bias)
    _require_dtypes(name, input, weight, bias)
    _require_divisible(weight, groups)
    x, added = with_batch(input, rank)
    _require_channels(name, f"groups={groups}", x, weight, weight.shape[1] * groups)
    _require_bias("", weight, bias, weight.shape[0])
    _require_kernel_fits(name, x, weight, pairs, dilations)
    y = CONV(x, weight, strides=strides, padding=pairs, dilation=dilations, groups=groups)
    return without_batch(_plus_bias(y, bias), added)


@one_step
def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of (N, C, L) or (C, L) with (O, C / groups, K); padding may be "same"."""
    return _convolve(1, input, weight, bias, stride, padding, dilation, groups)


@one_step
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of (N, C, H, W) or (C, H, W) with (O, C / groups, KH, KW)."""
    return _convolve(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of (N, C, D, H, W) or (C, D, H, W) with (O, C / groups, KD, KH, KW)."""
    return _convolve(3, input, weight, bias, stride, padding, dilation, groups)


def _transposed(
    rank: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Tensor:
    name = f"conv_transpose{rank}d"
    _require_rank(name, input, weight, rank)
    strides = per_axis(name, "stride", stride, rank)
    pads = per_axis(name, "padding", padding, rank)
    beyond = per_axis(name, "output_padding", output_padding, rank)
    dilations = per_axis(name, "dilation", dilation, rank)
    _require_positive(strides, pads, dilations, groups)
    if any(o < 0 for o in beyond):
        raise error(
            RuntimeError,
            f"negative output_padding is not supported (output_padding={list(beyond)})",
        )
    if any(o >= max(s, d) for o, s, d in zip(beyond, strides, dilations)):
        raise error(
            RuntimeError,
            f"output padding must be smaller than either stride or dilation, but got "
            f"output_padding: {list(beyond)} stride: {list(strides)} dilation: {list(dilations)}",
        )
    input, weight, bias = lower(input, weight, bias)
    _require_dtypes(name, input, weight, bias)
    _require_divisible(weight, groups)
    x, added = with_batch(input, rank)
    _require_channels(name, "transposed=1", x, weight, weight.shape[0])
    _require_bias("transposed=1, ", weight, bias, weight.shape[1] * groups)
    y = conv_transpose(
        x,
        weight,
        strides=strides,
        padding=pads,
        output_padding=beyond,
        dilation=dilations,
        groups=groups,
    )
    return without_batch(_plus_bias(y, bias), added)


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Transposed convolution of (N, C, L) or (C, L) with (C, O / groups, K)."""
    return _transposed(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Transposed convolution of (N, C, H, W) or (C, H, W) with (C, O / groups, KH, KW)."""
    return _transposed(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Transposed convolution of (N, C, D, H, W) or (C, D, H, W) with (C, O / groups, *kernel)."""
    return _transposed(3, input, weight, bias, stride, padding, output_padding, groups, dilation)
