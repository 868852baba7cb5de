"""A product of matrices of bfloat16 as launches for AMX: B packed into tiles, then the product."""

from __future__ import annotations

import math
from collections.abc import Sequence

from plait.core.codegen import amx
from plait.core.codegen.amx import Amx, Numbers, emit_amx, emit_pack
from plait.core.codegen.kernel import Kernel, Launch
from plait.core.codegen.outlet import Outlet
from plait.core.compiler.lower.product import Operand, Sizes, in_parts
from plait.core.compiler.plan import Buffer, Plan
from plait.core.ir import dtypes
from plait.core.ir.derived import as_one
from plait.core.llvm.target import Target

#: Least rows, columns and steps: of smaller matrices tiles would be mostly zeros.
_LEAST = (amx.TILE, amx.TILE, amx.STEPS)
#: Bytes of B that a unit walks again for each strip of A: most of the second cache.
_B_BLOCK = 11 << 16
#: Most strips of a unit.
_STRIPS = 4
#: Units wanted at least, so that eight threads have work.
_UNITS = 16
#: Least steps of a part where K is cut for the sake of units.
_PART = 512
#: Panels that a strip must meet for a copy of it to pay.
_REUSED = 4


def fits(sizes: Sizes, a: Operand, b: Operand, target: Target) -> bool:
    """Whether a product is one for AMX: of bfloat16, not too small, each operand with its steps or
    its rows (columns) side by side."""
    if not target.amx or not a.dtype is b.dtype is dtypes.bfloat16:
        return False
    near = all(x.step == 1 or x.free == 1 for x in (a, b))
    return near and all(size >= least for size, least in zip(sizes[1:], _LEAST))


def add_product(
    sizes: Sizes,
    a: Operand,
    b: Operand,
    outlet: Outlet,
    outputs: Sequence[Buffer],
    reads: Sequence[Buffer],
    plan: Plan,
) -> None:
    """Add the launches of outlet(A B), which fits: `outputs` are what it writes, `reads` what it
    reads."""
    outlet = outlet._replace(numbered=True)
    parts = 1 if sizes.batch > 1 else as_one(_parts_of, *sizes[1:])
    if parts > 1:
        in_parts(parts, sizes, a, b, outlet, outputs, reads, plan, amx.TILE, _tiled)
    else:
        _tiled(sizes, a, b, outlet, outputs, reads, plan, amx.TILE)


def _parts_of(rows: int, columns: int, steps: int) -> int:
    """Into how many equal parts K is cut, so that a small result gives threads work."""
    tiles = -(-rows // amx.SIDE) * -(-columns // amx.SIDE)
    most = min(_UNITS // tiles, steps // _PART)
    return max((parts for parts in range(1, most + 1) if steps % parts == 0), default=1)


def _tiled(
    sizes: Sizes,
    a: Operand,
    b: Operand,
    outlet: Outlet,
    outputs: Sequence[Buffer],
    reads: Sequence[Buffer],
    plan: Plan,
    lanes: int,
) -> None:
    g = Amx(along=a.step == 1, outlet=outlet)
    packed = _packed(sizes, b, plan)
    tiles = -(-sizes.columns // amx.TILE) * -(-sizes.steps // amx.STEPS)
    n = _blocked(sizes, a, tiles if b.batch else 0)
    key = (g.along, outlet.key)
    buffers = (a.buffer, packed, *reads)
    plan.launch(
        Launch(
            Kernel("amx", key, lambda symbol, target: emit_amx(symbol, target, g)),
            tuple(outputs),
            buffers,
            units=sizes.batch * n.row_blocks * n.column_blocks,
            scratch=n.scratch,
            numbers=(*n, *outlet.numbers),
            flops=2 * math.prod(sizes),
            bytes=sum(x.nbytes for x in (*outputs, *buffers)),
            in_place=outlet.in_place(2, sizes[:3]),
        )
    )


def _packed(sizes: Sizes, b: Operand, plan: Plan) -> Buffer:
    """B in tiles."""
    along = b.step == 1
    batch = sizes.batch if b.batch else 1
    across, depth = -(-sizes.columns // amx.TILE), -(-sizes.steps // amx.STEPS)
    packed = plan.temporary((batch, across, depth, 2 * amx.TILE * amx.TILE), dtypes.bfloat16)
    stride = b.free if along else b.step
    plan.launch(
        Launch(
            Kernel("amx_pack", (along,), lambda symbol, target: emit_pack(symbol, along)),
            (packed,),
            (b.buffer,),
            units=batch * across * -(-depth // amx.PACKED_AT_ONCE),
            numbers=(sizes.columns, sizes.steps, b.batch, stride),
            bytes=2 * packed.nbytes,
        )
    )
    return packed


def _blocked(sizes: Sizes, a: Operand, b_batch: int) -> Numbers:
    """How the product is cut into units."""
    strips, panels = -(-sizes.rows // amx.SIDE), -(-sizes.columns // amx.SIDE)
    block, spread = as_one(_dealt, sizes.batch, strips, panels, sizes.steps)
    in_place, sums = as_one(_held, a.free, sizes.steps, spread)
    return Numbers(
        sizes.rows,
        sizes.columns,
        sizes.steps,
        a.batch,
        a.free,
        a.step,
        b_batch,
        in_place,
        sums,
        block,
        -(-strips // block),
        spread,
        -(-panels // spread),
    )


def _dealt(batch: int, strips: int, panels: int, steps: int) -> tuple[int, int]:
    """(strips, panels) of a unit: as many panels as stay in the second cache, few enough of both to
    give threads work. Strips are parted first: copies of A are made by each unit that reads it."""
    most = max(1, _B_BLOCK // (2 * amx.SIDE * min(steps, amx.K_BLOCK)))
    spread = -(-panels // -(-panels // most))
    block = min(_STRIPS, strips)

    def units() -> int:
        return batch * -(-panels // spread) * -(-strips // block)

    while block > 1 and units() < _UNITS:
        block = -(-block // 2)
    while spread > 1 and units() < _UNITS:
        spread = -(-spread // 2)
    return block, spread


def _held(row: int, steps: int, spread: int) -> tuple[int, int]:
    """(whether A is read in place, float32 sums from one strip to the next). Rows that share a set
    of the first cache are copied out of each other's way, if read for some panels."""
    shared = 2 * row % 2048 == 0 and spread >= _REUSED
    return int(not shared), amx.SUMS if steps > amx.K_BLOCK else 0
