"""Attention: one kernel forward; backward one that does whole heads, or one for queries and one for
keys where heads are few."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from plait.core.codegen import attention_grad as backward
from plait.core.codegen.attention import attention_kernel, scratch_bytes
from plait.core.codegen.attention_parts import KEY_BLOCK, Shape, query_columns
from plait.core.codegen.kernel import Launch
from plait.core.compiler.plan import Buffer, Plan
from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from plait.core.ir.op import elements

#: Whole heads are units of the backward pass where there are at least this many, ...
_ENOUGH_HEADS = 12
#: ... and a head's sums stay in a cache.
_MOST_SCRATCH = 1 << 20

_COVERED = (dtypes.float32, dtypes.float64, dtypes.float16, dtypes.bfloat16)


class Place(NamedTuple):
    """Where the rows of an operand's heads lie in its buffer, in elements; a row is contiguous.

    Head h of a launch with `heads` inner heads begins at offset + (h // heads) * batch
    + (h % heads) * head. The default is a contiguous (heads, rows, width).
    """

    offset: int
    batch: int
    head: int
    row: int


def contiguous_place(shape: tuple[int, ...]) -> Place:
    """The place of a contiguous operand, where every head counts as a batch."""
    return Place(0, shape[-2] * shape[-1], 0, shape[-1])


def _mask_numbers(mask: Buffer, lead: tuple[int, ...]) -> tuple[int, ...]:
    """Strides over queries and keys; extent and stride of each leading axis, the last first."""
    rank = len(lead) + 2
    shape = (1,) * (rank - len(mask.shape)) + mask.shape
    strides = [0] * rank
    step = 1
    for axis in reversed(range(rank)):
        strides[axis] = 0 if shape[axis] == 1 else step
        step *= shape[axis]
    numbers = [strides[-2], strides[-1]]
    if any(strides[:-2]):
        for extent, stride in zip(reversed(lead), reversed(strides[:-2])):
            numbers += [extent, stride]
    return tuple(numbers)


def _shape_of(
    plan: Plan, q: Buffer, k: Buffer, v: Buffer, mask: list[Buffer], attrs: dict[str, Any]
) -> tuple[Shape, tuple[int, ...]]:
    """The kernel's shape, and the numbers of the mask."""
    numbers = _mask_numbers(mask[0], q.shape[:-2]) if mask else ()
    kind: DType | None = mask[0].dtype if mask else None
    shape = Shape(
        dtype=q.dtype,
        width=q.shape[-1],
        value_width=v.shape[-1],
        columns=query_columns(plan.target, q.dtype, q.shape[-2]),
        scale=float(attrs["scale"]),
        causal=attrs["causal"],
        mask=kind,
        mask_axes=max(0, len(numbers) - 2) // 2,
        mask_rows=any(numbers[:1]),
        may_be_blind=bool(mask) or attrs["causal"] or k.shape[-2] == 0,
    )
    return shape, numbers


def _covered(inputs: list[Buffer], attrs: dict[str, Any]) -> bool:
    return inputs[0].dtype in _COVERED and math.isfinite(attrs["scale"])


def lower_attention(
    made: Any, inputs: list[Buffer], outputs: list[Buffer], plan: Plan, epilogue: Any = None
) -> bool:
    """`attention`: units are blocks of queries."""
    if epilogue is not None or not _covered(inputs, made.attrs):
        return False
    q, k, v, *mask = inputs
    y, _ = outputs
    shape, of_mask = _shape_of(plan, q, k, v, mask, made.attrs)
    heads, queries, keys = elements(q.shape[:-2]), q.shape[-2], k.shape[-2]
    per_head = -(-queries // shape.block(plan.target))
    places = [number for x in (y, q, k, v) for number in contiguous_place(x.shape)]
    plan.launch(
        Launch(
            attention_kernel(shape),
            tuple(outputs),
            tuple(inputs),
            units=heads * per_head,
            numbers=(queries, keys, per_head, 1, *places, *of_mask),
            scratch=scratch_bytes(shape, plan.target),
            flops=2 * heads * queries * keys * (shape.width + shape.value_width),
            bytes=sum(b.nbytes for b in (*inputs, *outputs)),
        )
    )
    return True


def lower_attention_grad(
    made: Any, inputs: list[Buffer], outputs: list[Buffer], plan: Plan, epilogue: Any = None
) -> bool:
    """`attention_grad`: units are heads; where these are few, blocks of queries and of keys."""
    if epilogue is not None or not _covered(inputs, made.attrs):
        return False
    _, q, k, v, _, _, *mask = inputs
    shape, of_mask = _shape_of(plan, q, k, v, mask, made.attrs)
    heads, queries, keys = elements(q.shape[:-2]), q.shape[-2], k.shape[-2]
    by_name = dict(zip("qkv", outputs))
    whole = backward.scratch_bytes(shape, plan.target, "heads", keys)
    if heads >= _ENOUGH_HEADS and whole <= _MOST_SCRATCH:
        deals = {"heads": (1, keys)}
    else:
        blocks = -(-queries // shape.block(plan.target))
        deals = {"queries": (blocks, 0), "keys": (-(-keys // KEY_BLOCK), KEY_BLOCK)}
    for deal, (per_head, held) in deals.items():
        gives = [by_name[name] for name in backward.GIVES[deal]]
        places = [n for x in (*gives, *inputs[:4]) for n in contiguous_place(x.shape)]
        products = {"heads": 5, "queries": 3, "keys": 4}[deal]
        plan.launch(
            Launch(
                backward.attention_grad_kernel(shape, deal),
                tuple(gives),
                tuple(inputs),
                units=heads * per_head,
                numbers=(queries, keys, per_head, 1, *places, *of_mask),
                scratch=backward.scratch_bytes(shape, plan.target, deal, held),
                flops=products * heads * queries * keys * (shape.width + shape.value_width),
                bytes=sum(b.nbytes for b in (*inputs, *gives)),
            )
        )
    return True


LOWERINGS: dict[str, Callable[..., bool]] = {
    "attention": lower_attention,
    "attention_grad": lower_attention_grad,
}
