"""Products of matrices and tensors, as contractions of whole axes.

Operands have one dtype; leading (batch) axes broadcast. Every product is one `dot_general`.
"""

from __future__ import annotations

from typing import Any

from plait.core.functional.broadcasting import broadcast_shapes
from plait.core.ops.contract import DOT_GENERAL
from plait.core.ops.view import broadcast, transpose

_NO_BATCH = ((), ())


def matmul(a: Any, b: Any) -> Any:
    """The matrix product over the last two axes, as NumPy and PyTorch define it.

    a: (K,) or (*batch, M, K); b: (K,) or (*batch, K, N). A vector counts as one row (column), whose
    axis is left out of the result. The shapes must fit (`DOT_GENERAL` raises ShapeError).
    """
    rank_a, rank_b = len(a.shape), len(b.shape)
    last = rank_a - 1
    if rank_b <= 2:
        # (*batch, M, K) by (K,) or (K, N): one flat product, no batch.
        return DOT_GENERAL(a, b, contract=((last,), (0,)), batch=_NO_BATCH)
    if rank_a == 1:
        return DOT_GENERAL(b, a, contract=((rank_b - 2,), (0,)), batch=_NO_BATCH)
    if rank_a == 2:
        # (*batch, N, M), by the transposed product, so that `a` is read once.
        turned = DOT_GENERAL(b, a, contract=((rank_b - 2,), (1,)), batch=_NO_BATCH)
        return transpose(turned, (*range(rank_b - 2), rank_b - 1, rank_b - 2))
    batch = broadcast_shapes("matmul", a.shape[:-2], b.shape[:-2])
    a = broadcast(a, (*batch, *a.shape[-2:]))
    b = broadcast(b, (*batch, *b.shape[-2:]))
    rank = len(batch)
    axes = tuple(range(rank))
    return DOT_GENERAL(a, b, contract=((rank + 1,), (rank,)), batch=(axes, axes))


def tensordot(a: Any, b: Any, axes_a: tuple[int, ...], axes_b: tuple[int, ...]) -> Any:
    """Sum of products over pairs of axes; the others of a, then those of b, remain."""
    return DOT_GENERAL(a, b, contract=(axes_a, axes_b), batch=_NO_BATCH)


def outer(a: Any, b: Any) -> Any:
    """All products of an element of a and one of b: (*shape of a, *shape of b)."""
    return DOT_GENERAL(a, b, contract=((), ()), batch=_NO_BATCH)
