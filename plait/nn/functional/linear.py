"""Linear and bilinear maps of the last axis."""

from __future__ import annotations

import math

from plait._autocast import lower
from plait._functions.common import write_out
from plait._tensor import Tensor, scalar_type
from plait.core.ir.errors import error
from plait.core.lazy.replay.function import one_step
from plait.core.ops.contract import DOT_GENERAL
from plait.core.ops.elementwise import ADD
from plait.core.ops.view import broadcast, reshape
from plait.nn.functional._arguments import c_name, require_tensor


def _require_linear_dtypes(input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    if input.dtype is not weight.dtype:
        if bias is None:
            raise error(
                RuntimeError,
                f"expected m1 and m2 to have the same dtype, but got: {c_name(input.dtype)} != "
                f"{c_name(weight.dtype)} (linear: input {list(input.shape)}, weight "
                f"{list(weight.shape)})",
            )
        raise error(
            RuntimeError,
            f"mat1 and mat2 must have the same dtype, but got {scalar_type(input.dtype)} and "
            f"{scalar_type(weight.dtype)} (linear: input "
            f"{input.dtype.name}{list(input.shape)}, weight "
            f"{weight.dtype.name}{list(weight.shape)})",
        )
    if bias is not None and bias.dtype is not input.dtype:
        raise error(
            RuntimeError,
            f"self and mat2 must have the same dtype, but got {scalar_type(bias.dtype)} and "
            f"{scalar_type(weight.dtype)} (linear: bias and weight)",
        )


@one_step(write_out=write_out)
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input @ weight.T + bias.

    input: (*, K); weight: (N, K) or (K,); bias: (N,) or (); result (*, N) or (*). Raises
    RuntimeError where shapes or dtypes do not fit.
    """
    require_tensor("linear", "input", input, 1)
    require_tensor("linear", "weight", weight, 2)
    input, weight, bias = lower(input, weight, bias)
    if input.ndim < 1 or weight.ndim < 1:
        raise error(
            RuntimeError,
            f"both arguments to linear need to be at least 1D, but they are {input.ndim}D and "
            f"{weight.ndim}D",
        )
    if weight.ndim > 2:
        raise error(
            RuntimeError, f"t() expects a tensor with <= 2 dimensions, but self is {weight.ndim}D"
        )
    columns = input.shape[-1]
    if columns != weight.shape[-1]:
        rows = math.prod(input.shape[:-1])
        transposed = f"{weight.shape[-1]}x{weight.shape[0] if weight.ndim == 2 else 1}"
        raise error(
            RuntimeError,
            f"mat1 and mat2 shapes cannot be multiplied ({rows}x{columns} and {transposed})\n"
            f"  linear: an input of shape {list(input.shape)} has {columns} features, the weight "
            f"of shape {list(weight.shape)} takes {weight.shape[-1]}",
        )
    _require_linear_dtypes(input, weight, bias)
    y = DOT_GENERAL(input, weight, contract=((input.ndim - 1,), (weight.ndim - 1,)), batch=((), ()))
    if bias is None:
        return y
    if bias.ndim > y.ndim or any(
        n not in (1, m) for n, m in zip(reversed(bias.shape), reversed(y.shape))
    ):
        raise error(
            RuntimeError,
            f"The expanded size of the tensor ({weight.shape[0]}) must match the existing size "
            f"({bias.shape[-1] if bias.ndim else 1}) at non-singleton dimension {y.ndim - 1}.  "
            f"Target sizes: {list(y.shape)}.  Tensor sizes: {list(bias.shape)} (linear: bias)",
        )
    return ADD(y, broadcast(bias, tuple(y.shape)))


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y_n = input1 . weight_n . input2 + bias_n.

    input1: (*, I), input2: (*, J), weight: (N, I, J), bias: (N,) -> (*, N). Raises RuntimeError
    where shapes do not fit.
    """
    if input1.ndim != input2.ndim:
        raise error(
            RuntimeError,
            f"bilinear(): input dimensions do not match: got {input1.ndim} and {input2.ndim}",
        )
    for i, (a, b) in enumerate(zip(input1.shape[:-1], input2.shape[:-1])):
        if a != b:
            raise error(
                RuntimeError,
                f"bilinear(): input batch dimensions do not match at dim {i}: got {a} and {b}",
            )
    for number, x, extent in ((1, input1, weight.shape[1]), (2, input2, weight.shape[2])):
        if x.shape[-1] != extent:
            raise error(
                RuntimeError,
                f"bilinear(): input{number} size does not match weight size: got {x.shape[-1]} but "
                f"expected {extent}",
            )
    if bias is not None and bias.shape[0] != weight.shape[0]:
        raise error(
            RuntimeError,
            f"bilinear(): bias size does not match weight size: got {bias.shape[0]} but expected "
            f"{weight.shape[0]}",
        )
    lead = tuple(input1.shape[:-1])
    rows = math.prod(lead)
    left = reshape(input1, (rows, input1.shape[-1]))
    right = reshape(input2, (rows, input2.shape[-1]))
    # (rows, N, J), then for each row the sum over J.
    partial = DOT_GENERAL(left, weight, contract=((1,), (1,)), batch=((), ()))
    y = DOT_GENERAL(partial, right, contract=((2,), (1,)), batch=((0,), (0,)))
    y = reshape(y, (*lead, weight.shape[0]))
    return y if bias is None else ADD(y, broadcast(bias, tuple(y.shape)))
