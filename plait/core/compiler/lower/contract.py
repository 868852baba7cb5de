"""`dot_general` as matrix products: axes into (batch, row, column, step)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from plait.core.codegen.access import Access, Epilogue
from plait.core.codegen.outlet import Outlet, outlet_of
from plait.core.compiler import views
from plait.core.compiler.lower import amx, product
from plait.core.compiler.lower.copies import lower_copy
from plait.core.compiler.lower.product import Operand, Sizes
from plait.core.compiler.plan import Buffer, Plan
from plait.core.ir.graph import Instruction
from plait.core.ops.numeric.contract import free_axes


def lower_dot(
    made: Instruction,
    inputs: Sequence[Buffer],
    outputs: Sequence[Buffer],
    plan: Plan,
    epilogue: Epilogue | None = None,
) -> bool:
    """A float contraction on kernels; False for other dtypes and no elements."""
    a, b = inputs[:2]
    if a.dtype.kind != "f" or 0 in (*a.shape, *b.shape):
        return False
    batch, contract = made.attrs["batch"], made.attrs["contract"]
    free_a = free_axes(len(a.shape), contract[0], batch[0])
    free_b = free_axes(len(b.shape), contract[1], batch[1])
    groups = [len(batch[0]), len(free_a), len(free_b)]
    outlet = _outlet(made, groups, epilogue, inputs[2:], outputs)
    if outlet is None:
        return False
    pairs = sorted(zip(*contract)) if contract[0] else []
    left = _operand(a, batch[0], free_a, tuple([i for i, _ in pairs]), plan)
    right = _operand(b, batch[1], free_b, tuple([j for _, j in pairs]), plan)
    sizes = Sizes(
        math.prod([a.shape[i] for i in batch[0]]),
        math.prod([a.shape[i] for i in free_a]),
        math.prod([b.shape[i] for i in free_b]),
        math.prod([a.shape[i] for i in contract[0]]),
    )
    if sizes.columns == 1 and sizes.rows > 1 and _turns(outlet):
        left, right = right, left
        sizes = Sizes(sizes.batch, 1, sizes.rows, sizes.steps)
        outlet = _turned(outlet)
    way = amx if amx.fits(sizes, left, right, plan.target) else product
    way.add_product(sizes, left, right, outlet, outputs, inputs[2:], plan)
    return True


def _operand(
    buffer: Buffer,
    batch: tuple[int, ...],
    free: tuple[int, ...],
    steps: tuple[int, ...],
    plan: Plan,
) -> Operand:
    """Merge each group of axes into one stride; copy the operand where they do not merge."""
    strides = views.row_major(buffer.shape)
    merged = [_merged(buffer.shape, strides, axes) for axes in (batch, free, steps)]
    if None not in merged:
        found = [stride or 0 for stride in merged]
        return Operand(buffer, *found, dtype=buffer.dtype)
    order = (*batch, *free, *steps)
    shape = tuple([buffer.shape[i] for i in order])
    copy = plan.temporary(shape, buffer.dtype)
    moved = Access(tuple([strides[i] for i in order]))
    lower_copy(plan, buffer, copy, moved, Access(views.row_major(shape)), shape)
    rows = math.prod([buffer.shape[i] for i in free])
    depth = math.prod([buffer.shape[i] for i in steps])
    return Operand(copy, rows * depth, depth, 1, buffer.dtype)


def _merged(shape: tuple[int, ...], strides: tuple[int, ...], axes: tuple[int, ...]) -> int | None:
    """The one stride that walks a group of axes; None if there is none."""
    kept = [axis for axis in axes if shape[axis] != 1]
    for outer, inner in pairwise(kept):
        if strides[outer] != strides[inner] * shape[inner]:
            return None
    return strides[kept[-1]] if kept else 0


# -- where results go -----------------------------------------------------------------------------


def _outlet(
    made: Instruction,
    groups: list[int],
    epilogue: Epilogue | None,
    reads: Sequence[Buffer],
    outputs: Sequence[Buffer],
) -> Outlet | None:
    """The outlet over (batch, row, column); None for accesses that do not fit those."""
    own = _three(Access(views.row_major(made.shape)), made.shape, groups)
    assert own is not None
    if epilogue is not None:
        read = [_three(a, made.shape, groups) for a in epilogue.reads]
        write = [_three(a, made.shape, groups) for a in epilogue.writes]
        if None in read or None in write:
            return None
        epilogue = Epilogue(
            epilogue.graph,
            tuple([a for a in read if a is not None]),
            tuple([a._replace(strides=_unit(a)) for a in write if a is not None]),
        )
    own = own._replace(strides=_unit(own))
    names = [b.dtype.name for b in reads], [b.dtype.name for b in outputs]
    return outlet_of(epilogue, own, *names)


def _unit(access: Access) -> tuple[int, ...]:
    """A result of one column is stored as if it had more: only the first lane is."""
    return (*access.strides[:2], access.strides[2] or 1)


def _three(access: Access, shape: tuple[int, ...], groups: list[int]) -> Access | None:
    if access.guards:
        return None
    found, start = [], 0
    for count in groups:
        axes = tuple(range(start, start + count))
        stride = _merged(shape, access.strides, axes)
        if stride is None:
            return None
        found.append(stride)
        start += count
    return access._replace(strides=tuple(found))


def _turns(outlet: Outlet) -> bool:
    """Whether one column of results may be taken for one row: rows lie side by side."""
    reads = all(a.strides[1] in (0, 1) for a in outlet.read)
    return reads and all(a.strides[1] == 1 for a in outlet.write)


def _turned(outlet: Outlet) -> Outlet:
    def turn(access: Access) -> Access:
        return access._replace(strides=(access.strides[0], 0, access.strides[1]))

    return outlet._replace(
        read=tuple([turn(a) for a in outlet.read]), write=tuple([turn(a) for a in outlet.write])
    )


LOWERINGS = {"dot_general": lower_dot}
