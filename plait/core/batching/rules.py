"""The batching rule of every primitive: an op applied to many samples at once.

A batched operand has its samples along axis 0, before the axes that the op knows of; the others are
the same for all samples. A rule takes (op, size, operands, batched, attrs), applies ops to whole
operands, and gives the results, all of them batched. It is asked only where an operand is batched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from plait.core.batching.windows import conv, conv_input_grad, conv_weight_grad
from plait.core.ir.op import Lowering, Op
from plait.core.ops.view import CONCAT, SLICE, TRANSPOSE, broadcast, reshape

Rule = Callable[[Op, int, Sequence[Any], Sequence[bool], dict[str, Any]], Any]


def lifted(value: Any, size: int) -> Any:
    """A value that is the same for all samples, once for each."""
    return broadcast(reshape(value, (1, *value.shape)), (size, *value.shape))


def all_lifted(size: int, operands: Sequence[Any], batched: Sequence[bool]) -> list[Any]:
    """The operands, those that are not batched once for each sample."""
    return [x if is_batched else lifted(x, size) for x, is_batched in zip(operands, batched)]


def one_by_one(
    op: Op, size: int, operands: Sequence[Any], batched: Sequence[bool], attrs: dict[str, Any]
) -> Any:
    """The op on one sample after the other: right for every op, and slow."""
    results: list[tuple] = []
    several = False
    for number in range(size):
        sample = [sample_of(x, number) if b else x for x, b in zip(operands, batched)]
        result = op(*sample, **attrs)
        several = isinstance(result, tuple)
        results.append(result if several else (result,))
    stacked = tuple([stacked_samples(parts) for parts in zip(*results)])
    return stacked if several else stacked[0]


def sample_of(value: Any, number: int) -> Any:
    """One sample of a batched value."""
    shape = value.shape
    row = SLICE(
        value,
        starts=(number, *[0] * (len(shape) - 1)),
        stops=(number + 1, *shape[1:]),
        steps=(1,) * len(shape),
    )
    return reshape(row, tuple(shape[1:]))


def stacked_samples(samples: Sequence[Any]) -> Any:
    """Samples along a new first axis."""
    rows = [reshape(x, (1, *x.shape)) for x in samples]
    return rows[0] if len(rows) == 1 else CONCAT(*rows, axis=0)


def to_front(value: Any, axis: int) -> Any:
    """The value with one of its axes first."""
    if axis == 0:
        return value
    rank = len(value.shape)
    return TRANSPOSE(value, axes=(axis, *[i for i in range(rank) if i != axis]))


# -- families ---------------------------------------------------------------------------------


def _in_front(
    op: Op, size: int, operands: Sequence[Any], batched: Sequence[bool], attrs: dict[str, Any]
) -> Any:
    """Ops that are the same with more axes in front: elementwise ones, pooling, linear algebra."""
    return op(*all_lifted(size, operands, batched), **attrs)


def shifted(size: int, attrs: dict[str, Any]) -> dict[str, Any]:
    """Attributes that name axes, extents or places of one sample, for all samples."""
    fronts = {"starts": 0, "stops": size, "steps": 1, "low": 0, "high": 0, "interior": 0}
    found: dict[str, Any] = {}
    for name, value in attrs.items():
        if name == "axis":
            found[name] = value + 1
        elif name == "shape":
            found[name] = (size, *value)
        elif name in fronts and value is not None:
            found[name] = (fronts[name], *value)
        else:
            found[name] = value
    return found


def _reduced(
    op: Op, size: int, operands: Sequence[Any], batched: Sequence[bool], attrs: dict[str, Any]
) -> Any:
    if "axes" in attrs:
        attrs = {**attrs, "axes": tuple([axis + 1 for axis in attrs["axes"]])}
    return op(*all_lifted(size, operands, batched), **shifted(size, attrs))


def _viewed(
    op: Op, size: int, operands: Sequence[Any], batched: Sequence[bool], attrs: dict[str, Any]
) -> Any:
    return op(*all_lifted(size, operands, batched), **view_attrs(op, size, attrs))


def view_attrs(op: Op, size: int, attrs: dict[str, Any]) -> dict[str, Any]:
    """The attributes with which a view of one sample is that of all."""
    if op is TRANSPOSE:
        return {"axes": (0, *[axis + 1 for axis in attrs["axes"]])}
    if "axes" in attrs:
        attrs = {**attrs, "axes": tuple([axis + 1 for axis in attrs["axes"]])}
    return shifted(size, attrs)


def _broadcast(
    op: Op, size: int, operands: Sequence[Any], batched: Sequence[bool], attrs: dict[str, Any]
) -> Any:
    (x,), shape = operands, attrs["shape"]
    ones = (1,) * (len(shape) - len(x.shape) + 1)
    return broadcast(reshape(x, (size, *ones, *x.shape[1:])), (size, *shape))


def _dot(
    op: Op, size: int, operands: Sequence[Any], batched: Sequence[bool], attrs: dict[str, Any]
) -> Any:
    a, b = operands
    (axes_a, axes_b), (batch_a, batch_b) = attrs["contract"], attrs["batch"]
    up = [tuple([axis + 1 for axis in axes]) for axes in (axes_a, axes_b, batch_a, batch_b)]
    if all(batched):
        return op(a, b, contract=(up[0], up[1]), batch=((0, *up[2]), (0, *up[3])))
    if batched[0]:
        # The samples are one more free axis of a: the first one, after the batch axes.
        made = op(a, b, contract=(up[0], axes_b), batch=(up[2], batch_b))
        return to_front(made, len(batch_a))
    made = op(a, b, contract=(axes_a, up[1]), batch=(batch_a, up[3]))
    return to_front(made, len(a.shape) - len(axes_a))


def _take(
    op: Op, size: int, operands: Sequence[Any], batched: Sequence[bool], attrs: dict[str, Any]
) -> Any:
    if all(batched):
        return one_by_one(op, size, operands, batched, attrs)
    x, index = operands
    axis = attrs["axis"]
    if batched[0]:
        return op(x, index, axis=axis + 1)
    return to_front(op(x, index, axis=axis), axis)


def _written_at(
    op: Op, size: int, operands: Sequence[Any], batched: Sequence[bool], attrs: dict[str, Any]
) -> Any:
    base, index, src = operands
    if batched[1]:
        return one_by_one(op, size, operands, batched, attrs)
    base, src = all_lifted(size, (base, src), (batched[0], batched[2]))
    return op(base, index, src, axis=attrs["axis"] + 1)


def _fft(
    op: Op, size: int, operands: Sequence[Any], batched: Sequence[bool], attrs: dict[str, Any]
) -> Any:
    return op(*operands, **{**attrs, "axes": tuple([axis + 1 for axis in attrs["axes"]])})


#: By the op's name, where its class does not decide.
_RULES: dict[str, Rule] = {
    "broadcast": _broadcast,
    "take": _take,
    "add_at": _written_at,
    "put_at": _written_at,
    "gather": _reduced,
    "scatter": _reduced,
    "scatter_reduce": _reduced,
    "conv": conv,
    "conv_input_grad": conv_input_grad,
    "conv_weight_grad": conv_weight_grad,
    "fft": _fft,
    "rfft": _fft,
    "irfft": _fft,
    **dict.fromkeys(("max_pool", "window_sum", "window_sum_grad"), _in_front),
    **dict.fromkeys(("pool_gather", "pool_scatter", "check_pool_index"), _in_front),
    **dict.fromkeys(("softmax", "log_softmax"), _reduced),
    **dict.fromkeys(("cholesky", "eigh", "inv", "qr", "svd"), _in_front),
    **dict.fromkeys(("cofactors", "det", "inverse_or_infinite", "slogdet"), _in_front),
    **dict.fromkeys(
        ("eig", "geqrf", "ldl_factor", "ldl_solve", "lu_factor", "pivot_matrix"), _in_front
    ),
    **dict.fromkeys(("view_as_complex", "view_as_real"), _in_front),
    **dict.fromkeys(("check_label", "check_range"), _in_front),
}

_FAMILIES: dict[Lowering, Rule] = {
    Lowering.ELEMENTWISE: _in_front,
    Lowering.REDUCE: _reduced,
    Lowering.SCAN: _reduced,
    Lowering.SORT: _reduced,
    Lowering.VIEW: _viewed,
    Lowering.CONTRACT: _dot,
}


def rule_of(op: Op) -> Rule | None:
    """The rule of an op; None where it is batched through its body."""
    found = _RULES.get(op.name) or _FAMILIES.get(op.lowering)
    if found is not None:
        return found
    return None if op.body is not None else one_by_one
