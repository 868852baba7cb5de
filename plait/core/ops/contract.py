"""Contraction: sums of products over chosen axes, of which every matrix product is a case."""

from __future__ import annotations

from typing import Any

from plait.core.ir.errors import ShapeError
from plait.core.ir.op import Lowering, Op, elements
from plait.core.ops.families import NUMBER, require_kind, require_same_dtype
from plait.core.ops.families import test_dtypes as dtypes_of_kinds
from plait.core.ops.numeric.contract import dot_general, free_axes
from plait.core.ops.view import inverse_permutation, transpose

Pairs = tuple[tuple[int, ...], tuple[int, ...]]


def _require_axes(a: Any, b: Any, contract: Pairs, batch: Pairs) -> None:
    for x, contracted, batched in ((a, contract[0], batch[0]), (b, contract[1], batch[1])):
        named = (*batched, *contracted)
        if len(set(named)) != len(named) or any(not 0 <= n < len(x.shape) for n in named):
            raise ShapeError(
                f"dot_general: batch axes {batched} and contracted axes {contracted} do not name "
                f"distinct axes of an operand of shape {list(x.shape)}"
            )
    for kind, (of_a, of_b) in (("batch", batch), ("contracted", contract)):
        if len(of_a) != len(of_b) or any(a.shape[i] != b.shape[j] for i, j in zip(of_a, of_b)):
            raise ShapeError(
                f"dot_general: {kind} axes {of_a} of a shape {list(a.shape)} and {of_b} of a shape "
                f"{list(b.shape)} differ in extent; transpose an operand, or name other axes"
            )


def _infer_dot(a: Any, b: Any, *, contract: Pairs, batch: Pairs) -> tuple[Any, Any]:
    """Sum of products over the contracted axes, for each index of the batch axes.

    The result has the batch axes, then the other axes of a, then those of b.
    """
    require_same_dtype("dot_general", a, b)
    require_kind("dot_general", a.dtype, NUMBER)
    _require_axes(a, b, contract, batch)
    free_a = free_axes(len(a.shape), contract[0], batch[0])
    free_b = free_axes(len(b.shape), contract[1], batch[1])
    shape = [a.shape[i] for i in (*batch[0], *free_a)] + [b.shape[i] for i in free_b]
    return tuple(shape), a.dtype


def _dot_vjp(g: Any, y: Any, a: Any, b: Any, *, contract: Pairs, batch: Pairs) -> tuple[Any, Any]:
    free_a = free_axes(len(a.shape), contract[0], batch[0])
    free_b = free_axes(len(b.shape), contract[1], batch[1])
    batched = len(batch[0])
    in_batch = tuple(range(batched))
    in_a = tuple(range(batched, batched + len(free_a)))
    in_b = tuple(range(batched + len(free_a), len(g.shape)))

    # (batch, free of a, contracted in b's order), the contracted ones named by their axes of a.
    grad_a = DOT_GENERAL(g, b, contract=(in_b, free_b), batch=(in_batch, batch[1]))
    order_a = (*batch[0], *free_a, *_partners(contract[1], contract[0]))
    # (batch, contracted in a's order, free of b): for a plain product already b's own layout.
    grad_b = DOT_GENERAL(a, g, contract=(free_a, in_a), batch=(batch[0], in_batch))
    order_b = (*batch[1], *_partners(contract[0], contract[1]), *free_b)
    return (
        transpose(grad_a, inverse_permutation(order_a)),
        transpose(grad_b, inverse_permutation(order_b)),
    )


def _partners(sorted_by: tuple[int, ...], named: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of one operand in the order of the axes of the other they are contracted with."""
    return tuple([axis for _, axis in sorted(zip(sorted_by, named))])


def _dot_flops(a: Any, b: Any, *, contract: Pairs, batch: Pairs) -> int:
    shape, _ = _infer_dot(a, b, contract=contract, batch=batch)
    return 2 * elements(shape) * elements(tuple([a.shape[i] for i in contract[0]]))


def _dot_bytes(a: Any, b: Any, *, contract: Pairs, batch: Pairs) -> int:
    shape, _ = _infer_dot(a, b, contract=contract, batch=batch)
    return (elements(a.shape) + elements(b.shape) + elements(shape)) * a.dtype.itemsize


DOT_GENERAL = Op(
    "dot_general",
    infer=_infer_dot,
    lowering=Lowering.CONTRACT,
    reference=dot_general,
    vjp=_dot_vjp,
    saves=(0, 1),
    reads=((1,), (0,)),
    flops=_dot_flops,
    bytes=_dot_bytes,
    dtypes=dtypes_of_kinds("iuf"),
)


def matmul(a: Any, b: Any) -> Any:
    """The matrix product over the last two axes; the leading (batch) axes must be equal.

    a: (*batch, M, K), b: (*batch, K, N) -> (*batch, M, N). Raises ShapeError otherwise.
    """
    rank = len(a.shape)
    if rank < 2 or len(b.shape) != rank or a.shape[:-2] != b.shape[:-2]:
        raise ShapeError(
            f"matmul: expected operands (*batch, M, K) and (*batch, K, N) with equal batch axes, "
            f"received shapes {list(a.shape)} and {list(b.shape)}"
        )
    if a.shape[-1] != b.shape[-2]:
        raise ShapeError(
            f"matmul: shapes {list(a.shape)} and {list(b.shape)} cannot be multiplied "
            f"({a.shape[-1]} columns against {b.shape[-2]} rows)"
        )
    batch = tuple(range(rank - 2))
    return DOT_GENERAL(a, b, contract=((rank - 1,), (rank - 2,)), batch=(batch, batch))
