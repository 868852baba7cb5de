"""Losses over classes: labels (log-likelihood, cross-entropy, margins) or distributions."""

from __future__ import annotations

from typing import Any

from plait._autocast import full_precision
from plait._promotion import promote_types
from plait._tensor import Tensor, scalar_type
from plait.core.functional import losses
from plait.core.ir import dtypes
from plait.core.ir.errors import error
from plait.core.lazy.replay.function import one_step
from plait.core.ops.bounds import CHECK_RANGE
from plait.core.ops.elementwise import cast
from plait.core.ops.loss import (
    CHECK_LABEL,
    CROSS_ENTROPY,
    NLL_LOSS,
    cross_entropy_probabilities,
)
from plait.core.ops.view import reshape
from plait.nn.functional._arguments import (
    legacy_reduction,
    reduced,
    require_float,
    require_reduction,
    require_tensor,
)


def _require_weight(name: str, weight: Tensor | None, input: Tensor, classes: int) -> None:
    if weight is None:
        return
    if tuple(weight.shape) != (classes,):
        raise error(
            RuntimeError,
            f"{name}weight tensor should be defined either for all {classes} classes or no classes "
            f"but got weight tensor of shape: {list(weight.shape)}",
        )
    if weight.dtype is not input.dtype:
        raise error(
            RuntimeError,
            f"expected scalar type {scalar_type(input.dtype)} but found "
            f"{scalar_type(weight.dtype)} (class weights)",
        )


def _labels(name: str, input: Tensor, target: Tensor) -> tuple[Any, Any]:
    """(scores (N, C, *S), labels (N, *S) int64) once their shapes and types are known to fit."""
    if input.ndim > 1 and target.ndim and target.shape[0] != input.shape[0]:
        _raise_batch(name, input.shape[0], target)
    if target.dtype not in (dtypes.int64, dtypes.uint8):
        raise error(
            RuntimeError,
            f"expected target dtype to be Long or Byte, but got {scalar_type(target.dtype)} "
            f"(expected scalar type Long but found {scalar_type(target.dtype)}; convert class "
            f"indices with .long(), in {name})",
        )
    labels = cast(target, dtypes.int64)
    if input.ndim == 1:
        if target.ndim > 1 or target.numel() != 1:
            _raise_batch(name, 1, target)
        return reshape(input, (1, *input.shape)), reshape(labels, (1,))
    if target.ndim == 0 or input.shape[0] != target.shape[0]:
        _raise_batch(name, input.shape[0], target)
    if input.ndim == 2:
        if target.ndim > 1:
            raise error(
                RuntimeError,
                "0D or 1D target tensor expected, multi-target not supported (input "
                f"{list(input.shape)}, target {list(target.shape)})",
            )
    elif input.ndim == 4 and target.ndim != 3:
        raise error(
            RuntimeError,
            "only batches of spatial targets supported (3D tensors) but got targets of dimension: "
            f"{target.ndim} (input {list(input.shape)}, target {list(target.shape)})",
        )
    elif input.ndim == 4 and target.shape[1:] != input.shape[2:]:
        raise error(
            RuntimeError,
            f"size mismatch (got input: {list(input.shape)} , target: {list(target.shape)}",
        )
    elif target.shape[1:] != input.shape[2:]:
        raise error(
            RuntimeError,
            f"Expected target size {[input.shape[0], *input.shape[2:]]}, got "
            f"{list(target.shape)} (input {list(input.shape)})",
        )
    return input, labels


def _raise_batch(name: str, batch: int, target: Tensor) -> None:
    given = target.shape[0] if target.ndim else 0
    raise error(
        ValueError,
        f"Expected input batch_size ({batch}) to match target batch_size ({given}). ({name}: "
        f"labels "
        f"of shape "
        f"{list(target.shape)})",
    )


def _of_labels(
    name: str,
    op: Any,
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    **attrs: Any,
) -> Tensor:
    scores, labels = _labels(name, input, target)
    _require_weight(f"{name}: ", weight, input, scores.shape[1])
    checked = CHECK_LABEL(labels, classes=scores.shape[1], ignore=ignore_index, caller=name)
    weights = () if weight is None else (weight,)
    loss = op(scores, checked, *weights, ignore=ignore_index, reduction=reduction, **attrs)
    return reshape(loss, tuple(target.shape)) if reduction == "none" else loss


@one_step
@full_precision
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-weight[target] * input[target], for log-probabilities over the classes.

    input: (N, C, *S) or (C,); target: (N, *S) or (), int64. The mean is divided by the weights of
    the labels that count. Raises IndexError for a label out of range, ValueError and
    RuntimeError for shapes and dtypes.
    """
    reduction = require_reduction(legacy_reduction(size_average, reduce, reduction))
    require_tensor("nll_loss_nd", "input", input, 1)
    require_tensor("nll_loss_nd", "target", target, 2)
    if input.ndim < 1:
        raise error(ValueError, f"Expected 1 or more dimensions (got {input.ndim})")
    require_float("nll_loss_out_frame", input)
    return _of_labels("nll_loss", NLL_LOSS, input, target, weight, ignore_index, reduction)


def _of_probabilities(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, smoothing: float
) -> Tensor:
    common = promote_types(input.dtype, target.dtype)
    x, wanted = cast(input, common), cast(target, common)
    if input.ndim == 1:
        x, wanted = reshape(x, (1, *x.shape)), reshape(wanted, (1, *wanted.shape))
    _require_weight("cross_entropy: ", weight, input, x.shape[1])
    if weight is not None:
        weight = cast(weight, common)
    loss = cross_entropy_probabilities(x, wanted, weight, smoothing=smoothing, reduction=reduction)
    return reshape(loss, ()) if reduction == "none" and input.ndim == 1 else loss


@one_step
@full_precision
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy of the logits `input` with labels, or with a distribution over the classes.

    input: (N, C, *S) or (C,); target: labels (N, *S) or (), int64, or probabilities of input's
    shape. label_smoothing: arXiv:1512.00567. Raises IndexError for a label out of range,
    ValueError and RuntimeError for shapes, dtypes and options.
    """
    reduction = require_reduction(legacy_reduction(size_average, reduce, reduction))
    require_tensor("cross_entropy_loss", "input", input, 1)
    require_tensor("cross_entropy_loss", "target", target, 2)
    if not 0.0 <= label_smoothing <= 1.0:
        raise error(
            RuntimeError, f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}"
        )
    if target.shape == input.shape:
        if target.dtype.kind != "f":
            raise error(
                RuntimeError,
                "Expected floating point type for target with class probabilities, got "
                f"{scalar_type(target.dtype)} (cross_entropy: input and target have shape "
                f"{list(input.shape)}; labels have one axis fewer)",
            )
        if ignore_index >= 0:
            raise error(RuntimeError, "ignore_index is not supported for floating point target")
        require_float("log_softmax_lastdim_kernel_impl", input)
        return _of_probabilities(input, target, weight, reduction, label_smoothing)
    require_float("log_softmax_lastdim_kernel_impl", input)
    return _of_labels(
        "cross_entropy",
        CROSS_ENTROPY,
        input,
        target,
        weight,
        ignore_index,
        reduction,
        smoothing=float(label_smoothing),
    )


# -- margins over classes ---------------------------------------------------------------------


@full_precision
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The mean over the other classes j of max(0, margin - x[y] + x[j])^p.

    input: (N, C) or (C,); target: (N,) or (), int64.
    """
    reduction = require_reduction(legacy_reduction(size_average, reduce, reduction))
    if p not in (1, 2):
        raise error(ValueError, f"only p == 1 and p == 2 supported (multi_margin_loss: p={p})")
    if weight is not None and weight.ndim != 1:
        raise error(ValueError, "weight must be one-dimensional")
    if input.ndim > 2 or input.shape[-1:] == (0,):
        raise error(
            RuntimeError,
            "Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{list(input.shape)}",
        )
    require_float("multi_margin_loss_forward_out_frame", input)
    x = reshape(input, (1, input.numel())) if input.ndim < 2 else input
    if target.ndim > 1 or target.numel() != x.shape[0]:
        raise error(
            RuntimeError,
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of input "
            f"samples (batch size). Expected target size [{x.shape[0]}], but got "
            f"{list(target.shape)}. Input has shape {list(input.shape)}.",
        )
    _require_long(target)
    if weight is not None and tuple(weight.shape) != (x.shape[1],):
        raise error(
            RuntimeError,
            f"inconsistent weight size, expected {x.shape[1]} but got {list(weight.shape)}",
        )
    labels = CHECK_RANGE(
        reshape(target, (x.shape[0],)),
        low=0,
        high=x.shape[1] - 1,
        fault="RuntimeError",
        message="target out of range",
    )
    loss = losses.multi_margin(x, labels, weight, p, float(margin))
    scalar = reduction == "none" and input.ndim < 2 and target.ndim == 0
    return reshape(loss, ()) if scalar else reduced(loss, reduction)


def _require_long(target: Tensor) -> None:
    if target.dtype is not dtypes.int64:
        raise error(
            RuntimeError, f"expected scalar type Long but found {scalar_type(target.dtype)}"
        )


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The sum over a sample's labels j and other classes k of max(0, 1 - (x[j] - x[k])) / C.

    input, target: (N, C) or (C,); the labels, int64, end at the first -1.
    """
    reduction = require_reduction(legacy_reduction(size_average, reduce, reduction))
    if not input.ndim and not target.ndim:
        input, target = reshape(input, (1,)), reshape(target, (1,))
    if input.ndim not in (1, 2):
        raise error(
            RuntimeError,
            "Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{list(input.shape)}",
        )
    if input.shape != target.shape:
        raise error(
            RuntimeError,
            f"inconsistent target size: {list(target.shape)} for input of size: "
            f"{list(input.shape)}",
        )
    _require_long(target)
    require_float("multilabel_margin_loss_forward_out_frame", input)
    classes = input.shape[-1]
    checked = CHECK_RANGE(
        target,
        low=-1,
        high=classes - 1,
        fault="RuntimeError",
        message="argument #2 'target' is out of range",
    )
    rows = (1, classes) if input.ndim == 1 else tuple(input.shape)
    loss = losses.multilabel_margin(reshape(input, rows), reshape(checked, rows))
    if reduction == "none" and input.ndim == 1:
        return reshape(loss, ())
    return reduced(loss, reduction)
