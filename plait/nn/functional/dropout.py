"""Dropout of elements and of whole channels, plain and self-normalising.

The masks come from the counter-based generator: they are not those of PyTorch's CPU stream.
"""

from __future__ import annotations

import math
from typing import Any

from plait._promotion import can_cast, float_result
from plait._tensor import Tensor, scalar_type
from plait.core.functional import arithmetic as fn
from plait.core.functional.activations import SELU_ALPHA, SELU_SCALE
from plait.core.ir.errors import error, warn
from plait.core.ops.elementwise import cast
from plait.core.ops.view import broadcast, reshape
from plait.nn.functional import _draws
from plait.nn.functional._arguments import require_tensor, snapshot, store


def _require_p(p: float) -> None:
    if p < 0.0 or p > 1.0:
        raise error(ValueError, f"dropout probability has to be between 0 and 1, but got {p}")


def _dropped(name: str, input: Tensor, p: float, mask_shape: Any, inplace: bool) -> Tensor:
    """input with masked parts 0 and the rest divided by 1 - p."""
    wanted = float_result(input)
    if not can_cast(wanted, input.dtype):
        raise error(
            RuntimeError,
            f"result type {scalar_type(wanted)} can't be cast to the desired output type "
            f"{scalar_type(input.dtype)} ({name})",
        )
    x = snapshot(input) if inplace else input
    if p == 1:
        return store(name, input, fn.mul(x, 0), inplace)
    keep = broadcast(_draws.bernoulli(mask_shape, 1 - p), tuple(x.shape))
    # A product, as in PyTorch: what is dropped keeps its sign, and nan and inf stay visible.
    factor = fn.mul(cast(keep, x.dtype), 1 / (1 - p))
    return store(name, input, fn.mul(x, factor), inplace)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each element with probability p, and divide the others by 1 - p (arXiv:1207.0580)."""
    _require_p(p)
    require_tensor("dropout", "input", input, 1)
    if not training or p == 0 or input.numel() == 0:
        return input
    return _dropped("dropout_", input, p, input.shape, inplace)


def _channels(name: str, input: Tensor, p: float, training: bool, inplace: bool) -> Tensor:
    if input.ndim < 2:
        raise error(
            RuntimeError,
            f"Feature dropout requires at least 2 dimensions in the input ({name}: shape "
            f"{list(input.shape)})",
        )
    if not training or p == 0 or input.numel() == 0:
        return input
    shape = (*input.shape[:2], *[1] * (input.ndim - 2))
    return _dropped(name, input, p, shape, inplace)


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zero whole channels of (N, C, L) or (C, L)."""
    _require_p(p)
    require_tensor("dropout1d", "input", input, 1)
    if input.ndim not in (2, 3):
        raise error(
            RuntimeError,
            f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input. Note that "
            "dropout1d exists to provide channel-wise dropout on inputs with 1 spatial dimension, "
            "a channel dimension, and an optional batch dimension (i.e. 2D or 3D inputs).",
        )
    if input.ndim == 3:
        return _channels("dropout1d", input, p, training, inplace)
    if inplace:
        _channels("dropout1d", _batched_view(input), p, training, True)
        return input
    made = _channels("dropout1d", _batched_view(input), p, training, False)
    return reshape(made, tuple(input.shape))


def _batched_view(input: Tensor) -> Tensor:
    from plait._functions.shape import unsqueeze

    return unsqueeze(input, 0)


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zero whole channels of (N, C, H, W); three axes count as (N, C, L), with a warning."""
    _require_p(p)
    require_tensor("dropout2d", "input", input, 1)
    if input.ndim not in (3, 4):
        warn(
            f"dropout2d: Received a {input.ndim}-D input to dropout2d, which is deprecated and "
            "will result in an error in a future release.",
        )
    elif input.ndim == 3:
        warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout "
            "behavior is desired - input is interpreted as shape (N, C, L), where C is the channel "
            "dim. This behavior will change in a future release to interpret the input as one "
            "without a batch dimension, i.e. shape (C, H, W). To maintain the 1D channel-wise "
            "dropout behavior, please switch to using dropout1d instead.",
        )
    return _channels("dropout2d", input, p, training, inplace)


def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zero whole channels of (N, C, D, H, W) or (C, D, H, W)."""
    _require_p(p)
    require_tensor("dropout3d", "input", input, 1)
    if input.ndim not in (4, 5):
        warn(
            f"dropout3d: Received a {input.ndim}-D input to dropout3d, which is deprecated and "
            "will result in an error in a future release.",
        )
    if input.ndim != 4:
        return _channels("dropout3d", input, p, training, inplace)
    if inplace:
        _channels("dropout3d", _batched_view(input), p, training, True)
        return input
    made = _channels("dropout3d", _batched_view(input), p, training, False)
    return reshape(made, tuple(input.shape))


def _alpha(name: str, input: Tensor, p: float, mask_shape: Any, inplace: bool) -> Tensor:
    """Dropped elements take selu's negative limit; then mean 0 and variance 1 are restored."""
    x = snapshot(input) if inplace else input
    if p == 1:
        return store(name, input, fn.mul(x, 0), inplace)
    limit = SELU_ALPHA * SELU_SCALE
    keep = broadcast(_draws.bernoulli(mask_shape, 1 - p), tuple(x.shape))
    a = 1 / math.sqrt((limit * limit * p + 1) * (1 - p))
    mixed = fn.where(keep, x, -limit)
    return store(name, input, fn.add(fn.mul(mixed, a), a * limit * p), inplace)


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Dropout that keeps the mean and variance of self-normalising nets (arXiv:1706.02515)."""
    _require_p(p)
    require_tensor("alpha_dropout", "input", input, 1)
    if not training or p == 0 or input.numel() == 0:
        return input
    return _alpha("alpha_dropout_", input, p, input.shape, inplace)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """`alpha_dropout` of whole channels (axis 1)."""
    _require_p(p)
    require_tensor("feature_alpha_dropout", "input", input, 1)
    if not training or p == 0 or input.numel() == 0:
        return input
    if input.ndim < 2:
        raise error(
            RuntimeError,
            "Feature dropout requires at least 2 dimensions in the input "
            f"(feature_alpha_dropout: shape {list(input.shape)})",
        )
    shape = (*input.shape[:2], *[1] * (input.ndim - 2))
    return _alpha("feature_alpha_dropout_", input, p, shape, inplace)
