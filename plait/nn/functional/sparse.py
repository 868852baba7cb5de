"""Look-ups in tables: embedding, embedding_bag, one_hot."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from plait._tensor import Tensor, scalar_type
from plait.core.functional import arithmetic as fn
from plait.core.functional.distances import norm
from plait.core.ir import dtypes
from plait.core.ir.errors import error
from plait.core.lazy.modes import grad_mode
from plait.core.lazy.replay.function import one_step
from plait.core.ops.bounds import CHECK_RANGE
from plait.core.ops.elementwise import cast
from plait.core.ops.index import ADD_AT, PUT_AT, SCATTER_REDUCE, TAKE
from plait.core.ops.look_up import LOOK_UP
from plait.core.ops.source import ARANGE, full
from plait.core.ops.view import broadcast, reshape
from plait.nn.functional._arguments import constant_array, require_tensor


def _indices(name: str, input: Any, rows: int) -> Any:
    """Row numbers as int64, once each is known to be one."""
    if input.dtype not in (dtypes.int64, dtypes.int32):
        raise error(
            RuntimeError,
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: "
            f"Long, Int; but got {input.type()} instead (while checking arguments for {name})",
        )
    return CHECK_RANGE(
        cast(input, dtypes.int64),
        low=0,
        high=rows - 1,
        fault="IndexError",
        message=f"index out of range in self: {{value}} in a table of {rows} rows ({name})",
    )


def _padding_row(padding_idx: int | None, rows: int) -> int | None:
    if padding_idx is None:
        return None
    if not -rows <= padding_idx < rows:
        raise error(
            AssertionError,
            f"Padding_idx must be within num_embeddings (padding_idx={padding_idx}, "
            f"num_embeddings={rows})",
        )
    return padding_idx % rows


def _limit_norms(weight: Tensor, index: Any, max_norm: float, norm_type: float) -> None:
    """Rows named by the index scaled down, in place, to a norm of at most max_norm."""
    with grad_mode(False):
        rows, table = weight.shape[0], weight.detach()
        flat = reshape(index.detach(), (index.numel(),))
        ones = full(True, (index.numel(),), dtypes.bool_)
        used = PUT_AT(full(False, (rows,), dtypes.bool_), flat, ones, axis=0)
        sizes = norm(table, float(norm_type), (1,))
        scale = fn.div(max_norm, fn.add(sizes, 1e-7))
        chosen = fn.where(fn.both(used, fn.greater(sizes, max_norm)), scale, 1)
        limited = fn.mul(table, reshape(chosen, (rows, 1)))
        weight.assign(limited)


def _scaled_gradient(taken: Any, factor: Any) -> Any:
    """`taken` itself, whose gradient is multiplied by `factor` on its way back."""
    still = taken.detach()
    return fn.add(still, fn.mul(fn.sub(taken, still), factor))


def _rows(
    weight: Tensor, index: Any, padding: int | None, scale_grad_by_freq: bool, sparse: bool = False
) -> Any:
    """The rows of the table; none of the gradient goes to the padding row."""
    taken = LOOK_UP(weight, index) if sparse else TAKE(weight, index, axis=0)
    if not weight.requires_grad:
        return taken
    column = (*index.shape, *[1] * (len(weight.shape) - 1))
    if scale_grad_by_freq:
        if sparse:
            raise error(
                RuntimeError,
                "embedding_backward: scale_grad_by_freq not supported with sparse gradients",
            )
        flat = reshape(index, (index.numel(),))
        ones = full(1, (index.numel(),), weight.dtype)
        counts = ADD_AT(full(0, (weight.shape[0],), weight.dtype), flat, ones, axis=0)
        share = reshape(fn.div(1, TAKE(counts, index, axis=0)), column)
        taken = _scaled_gradient(taken, share)
    if padding is not None:
        is_padding = reshape(fn.equal(index, padding), column)
        taken = fn.where(is_padding, taken.detach(), taken)
    return taken


@one_step
def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of weight (V, D) that input (*), int64 or int32, names: (*, D).

    padding_idx: a row that gets no gradient. max_norm: rows looked up are scaled down in place to
    this `norm_type`-norm. sparse: the gradient of a leaf is a sparse tensor of the rows looked up
    (those of padding_idx are zeros in it). Raises IndexError for a row that is not there.
    """
    require_tensor("embedding", "indices", input, 2)
    require_tensor("embedding", "weight", weight, 1)
    padding = _padding_row(padding_idx, weight.shape[0]) if weight.ndim else None
    if weight.ndim != 2:
        raise error(
            RuntimeError,
            f"'weight' must be 2-D (embedding received a weight of shape {list(weight.shape)})",
        )
    index = _indices("embedding", input, weight.shape[0])
    if max_norm is not None:
        _limit_norms(weight, index, max_norm, norm_type)
    return _rows(weight, index, padding, scale_grad_by_freq, sparse)


# -- bags -------------------------------------------------------------------------------------


def _bag_starts(input: Tensor, offsets: Tensor | None, last: bool) -> np.ndarray:
    """Where each bag starts in the flattened input."""
    if input.ndim == 2:
        if offsets is not None:
            raise error(
                ValueError,
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch "
                f"of fixed length sequences. However, found offsets of type {type(offsets)}",
            )
        return np.arange(input.shape[0], dtype=np.int64) * input.shape[1]
    if input.ndim != 1:
        raise error(
            ValueError, f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}"
        )
    if not isinstance(offsets, Tensor):
        raise error(ValueError, "offsets has to be a 1D Tensor but got None")
    if offsets.ndim != 1:
        raise error(ValueError, "offsets has to be a 1D Tensor")
    starts = offsets.compute().astype(np.int64)
    if starts.size and starts[0] != 0:
        raise error(
            RuntimeError,
            "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from "
            f"position 0. However, got {starts[0]}",
        )
    if starts.size and starts[-1] > input.shape[0]:
        raise error(
            RuntimeError,
            f"offsets[-1] can not be greater than input's length {input.shape[0]} but got "
            f"offsets[-1] of {starts[-1]}",
        )
    return starts[:-1] if last else starts


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Sums, means or maxima of the rows of weight (V, D) that each bag names: (B, D).

    input: (B, n), or (n,) with the bags' starts in `offsets` (which are read at once). Rows at
    padding_idx do not count. per_sample_weights: factors of the rows, for mode "sum".
    """
    require_tensor("embedding_bag", "input", input, 1)
    require_tensor("embedding_bag", "weight", weight, 2)
    if weight.dtype is dtypes.int64 and input.is_floating_point():
        warnings.warn(
            "Argument order of nn.functional.embedding_bag was changed. "
            "Usage `embedding_bag(weight, input, ...)` is deprecated, "
            "and should now be `embedding_bag(input, weight, ...)`.",
            stacklevel=2,
        )
        input, weight = weight, input
    if mode not in ("sum", "mean", "max"):
        raise error(ValueError, "mode has to be one of sum, mean or max")
    if per_sample_weights is not None and mode != "sum":
        raise error(
            NotImplementedError,
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported "
            f"for mode='sum' (got mode='{mode}'). Please open a feature request on GitHub.",
        )
    if per_sample_weights is not None and per_sample_weights.shape != input.shape:
        raise error(
            ValueError,
            f"embedding_bag: If per_sample_weights ({per_sample_weights.size()}) is not None, then "
            f"it must have the same shape as the input ({input.size()})",
        )
    starts = _bag_starts(input, offsets, include_last_offset)
    padding = _padding_row(padding_idx, weight.shape[0])
    count = input.numel()
    flat = reshape(input, (count,))
    index = _indices("embedding_bag", flat, weight.shape[0])
    if max_norm is not None:
        _limit_norms(weight, index, max_norm, norm_type)
    rows = _rows(weight, index, padding, scale_grad_by_freq, sparse)
    if per_sample_weights is not None:
        rows = fn.mul(rows, reshape(per_sample_weights, (count, 1)))
    bags = np.searchsorted(starts, np.arange(count), side="right") - 1
    kept = None if padding is None else fn.differs(index, padding)
    return _combined(rows, constant_array(bags.astype(np.int64)), len(starts), kept, mode)


def _combined(rows: Any, bags: Any, number: int, kept: Any, mode: str) -> Any:
    """rows (n, D) combined by bag: (number, D); `kept`: which count, or None."""
    count, width = rows.shape
    result, dtype = (number, width), rows.dtype
    column = None if kept is None else reshape(kept, (count, 1))
    if mode == "max":
        low = full(-np.inf, result, dtype)
        shown = rows if column is None else fn.where(column, rows, -np.inf)
        place = broadcast(reshape(bags, (count, 1)), (count, width))
        best = SCATTER_REDUCE(low, place, shown, axis=0, mode="max")
        return fn.where(fn.equal(best, -np.inf), 0, best)
    shown = rows if column is None else fn.where(column, rows, 0)
    total = ADD_AT(full(0, result, dtype), bags, shown, axis=0)
    if mode == "sum":
        return total
    ones = full(1, (count,), dtype) if kept is None else cast(kept, dtype)
    sizes = ADD_AT(full(0, (number,), dtype), bags, ones, axis=0)
    return fn.div(total, reshape(fn.maximum(sizes, 1), (number, 1)))


# -- one-hot ----------------------------------------------------------------------------------


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """(*, classes) int64 with a 1 at each class number; -1 classes: one more than the largest."""
    require_tensor("one_hot", "tensor", tensor, 1)
    if tensor.dtype is not dtypes.int64:
        raise error(
            RuntimeError,
            "one_hot is only applicable to index tensor of type LongTensor. (received "
            f"{scalar_type(tensor.dtype)})",
        )
    if num_classes < 0:
        if tensor.numel() == 0:
            raise error(RuntimeError, "Can not infer total number of classes from empty tensor.")
        num_classes = int(tensor.compute().max()) + 1
    elif num_classes == 0 and tensor.numel() == 0:
        raise error(RuntimeError, "Can not infer total number of classes from empty tensor.")
    checked = CHECK_RANGE(
        tensor,
        low=0,
        high=num_classes - 1,
        fault="RuntimeError",
        message="Class values must be smaller than num_classes. (and not negative: one_hot "
        f"received {{value}} for {num_classes} classes)",
    )
    shape = (*tensor.shape, num_classes)
    classes = ARANGE(start=0, step=1, size=num_classes, dtype=dtypes.int64)
    column = broadcast(reshape(checked, (*tensor.shape, 1)), shape)
    return cast(fn.equal(column, broadcast(classes, shape)), dtypes.int64)
