"""A product of matrices given by strides, as launches: dot products or tiles, packing by cost.

What is chosen depends on the sizes, the strides and the target alone. Where sizes vary
(`ir/extents.py`), tiles and packing are those that serve all sizes; how K is cut into sums, and so
the result, is the same as ever.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from plait.core.codegen import matvec, pack
from plait.core.codegen.access import Access
from plait.core.codegen.gemm import K_BLOCK, Gemm, Numbers, emit_gemm
from plait.core.codegen.kernel import Kernel, Launch
from plait.core.codegen.matvec import Matvec, emit_matvec
from plait.core.codegen.outlet import Outlet
from plait.core.codegen.pack import Packing, emit_pack, packed_dtype
from plait.core.codegen.partial import Partial, emit_partial
from plait.core.codegen.tiles import tile_of_any, tile_shape
from plait.core.compiler.plan import Buffer, Plan
from plait.core.ir import dtypes
from plait.core.ir.derived import as_one
from plait.core.ir.dtypes import BY_NAME, DType
from plait.core.ir.extents import blank, varies
from plait.core.llvm.target import Target

#: Rows from which packing B pays: each element of a panel is then used so often that the copy is
#: some percent of the work.
_PACK_ROWS = 24
#: A panel's rows of B further apart than this (bytes) fall on few sets of the first cache.
_NEAR_ROW = 1024
#: Bytes of B that a unit walks again for each tile of rows: most of the second cache.
_B_BLOCK = 9 << 16
#: Most rows of a unit, and where it copies all its rows at once: beside B in the second cache.
_BLOCK_ROWS = 252
_COPIED_ROWS = 126
#: Most rows for which units pack their own panels of B: others would pack them again.
_OWN_ROWS = 140
#: Bytes of an A that the second cache may hold.
_CACHED = 1 << 20
#: Vectors of a row for few rows, where the number of columns is not known.
_WIDE = 8
#: Panels of B in a unit where K is a whole block; and how many units may copy the same rows of A.
_SPREAD = 8
_COPIES = 2
#: Where few rows meet a B that is read in its own order: steps that whole rows of B are walked by.
_STREAM_BLOCK = 8
#: Least steps of a part where K is cut for the sake of units; and of a B that streams by.
_PART = 256
_STREAM_PART = 32
#: Units wanted at least, so that eight threads have work.
_UNITS = 16


class Operand(NamedTuple):
    """A matrix per batch, by strides in elements: `free` along rows or columns, `step` along K.

    dtype: of what is read as one element; float32 stands for two bfloat16 of a `paired` operand.
    Of a paired operand of bfloat16, yet to be packed, `step` is from one pair to the next.
    """

    buffer: Buffer
    batch: int
    free: int
    step: int
    dtype: DType
    paired: bool = False


class Sizes(NamedTuple):
    batch: int
    rows: int
    columns: int
    steps: int


def add_product(
    sizes: Sizes,
    a: Operand,
    b: Operand,
    outlet: Outlet,
    outputs: Sequence[Buffer],
    reads: Sequence[Buffer],
    plan: Plan,
) -> None:
    """Add the launches of outlet(A B): `outputs` are what it writes, `reads` what it reads."""
    dtype = a.dtype
    outlet = outlet._replace(numbered=True)
    lanes = plan.target.lanes(packed_dtype(dtype).itemsize)
    near = a.step in (0, 1) and b.step in (0, 1)
    if sizes.rows <= matvec.MOST_ROWS and near and sizes.steps > 1:
        vec = Matvec(*sizes[1:], (a.batch, a.free), (b.batch, b.free), lanes, dtype.name, outlet)
        kernel = Kernel(
            "matvec", _key(vec, outlet), lambda symbol, target: emit_matvec(symbol, target, vec)
        )
        units, numbers = sizes.batch * vec.groups, (*vec.numbers, *outlet.numbers)
        _launch(kernel, sizes, a, b, outlet, outputs, reads, plan, units, vec.scratch, numbers)
        return
    pairs_a, pairs_b = _in_pairs(sizes, a, plan.target), _in_pairs(sizes, b, plan.target)
    if pairs_a is not None and pairs_b is not None:
        a, b, sizes = pairs_a, pairs_b, sizes._replace(steps=sizes.steps // 2)
    parts = _parts(sizes, b, dtype.itemsize, lanes)
    if parts > 1:
        in_parts(parts, sizes, a, b, outlet, outputs, reads, plan, lanes, _tiled)
    else:
        _tiled(sizes, a, b, outlet, outputs, reads, plan, lanes)


def _in_pairs(sizes: Sizes, x: Operand, target: Target) -> Operand | None:
    """The operand in pairs of bfloat16 along K, where the CPU multiplies those: read in place where
    they are neighbours, else to be packed. None: widen."""
    usable = target.bf16 and target.vector_bytes == 64
    if x.dtype is not dtypes.bfloat16 or not usable or sizes.steps % 2:
        return None
    if x.step == 1 and x.batch % 2 == 0 and x.free % 2 == 0:
        return Operand(x.buffer, x.batch // 2, x.free // 2, 1, dtypes.float32, True)
    if x.free == 1:
        return x._replace(step=2 * x.step, paired=True)
    return None


def _streams(sizes: Sizes, b: Operand, itemsize: int) -> bool:
    """Whether B is too large for a cache and read once in its own order, row after row."""
    few = b.free == 1 and sizes.rows <= matvec.MOST_ROWS
    return few and sizes.steps * sizes.columns * itemsize > 1 << 20


def _parts(sizes: Sizes, b: Operand, itemsize: int, lanes: int) -> int:
    """Into how many equal parts K is cut, so that a small result gives threads work."""
    if sizes.batch > 1:
        return 1
    return as_one(_parts_of, *sizes[1:], 2 * lanes, _streams(sizes, b, itemsize))


def _parts_of(rows: int, columns: int, steps: int, width: int, streams: bool) -> int:
    tiles = -(-rows // 12) * -(-columns // width)
    most = min(_UNITS, steps // _STREAM_PART) if streams else min(_UNITS // tiles, steps // _PART)
    return max((parts for parts in range(1, most + 1) if steps % parts == 0), default=1)


def in_parts(
    parts: int,
    sizes: Sizes,
    a: Operand,
    b: Operand,
    outlet: Outlet,
    outputs: Sequence[Buffer],
    reads: Sequence[Buffer],
    plan: Plan,
    lanes: int,
    tiled: Callable[..., None],
) -> None:
    """The products of parts of K, as a batch, by `tiled`, and their sum."""
    dtype = packed_dtype(a.dtype)
    steps = sizes.steps // parts
    each = Sizes(parts, sizes.rows, sizes.columns, steps)
    sums = plan.temporary((parts, sizes.rows, sizes.columns), dtype)
    strides = (sizes.rows * sizes.columns, sizes.columns, 1)
    own = Outlet((), (), (Access(strides),), (dtype.name,), numbered=True)
    a, b = a._replace(batch=a.step * steps), b._replace(batch=b.step * steps)
    tiled(each, a, b, own, [sums], (), plan, lanes)
    add = Partial(sizes.columns, lanes, dtype.name, outlet)
    plan.launch(
        Launch(
            Kernel(
                "partial",
                _key(add, outlet),
                lambda symbol, target: emit_partial(symbol, target, add),
            ),
            tuple(outputs),
            (sums, *reads),
            units=sizes.rows,
            numbers=(sizes.rows, parts, sizes.columns, *outlet.numbers),
            flops=parts * sizes.rows * sizes.columns,
            bytes=sums.nbytes + sum(x.nbytes for x in (*outputs, *reads)),
            in_place=outlet.in_place(1, (1, sizes.rows, sizes.columns)),
        )
    )


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
    """A product by register tiles."""
    dtype = a.dtype
    vectors = -(-sizes.columns // lanes)
    few_rows = not varies(sizes.rows) and sizes.rows <= matvec.MOST_ROWS
    if varies(sizes.rows, sizes.columns) and not few_rows:
        tile, heights = tile_of_any(plan.target, vectors)
    else:
        # A single row in two vectors would wait for its own sums, and for each line of B.
        tile = tile_shape(plan.target, sizes.rows, _WIDE if varies(vectors) else vectors)
        heights = (tile[0],) if sizes.rows % tile[0] else ()
    width = tile[1] * lanes
    pairs = a.paired
    pack_b = b.dtype.is_half or _packs_b(sizes, b, b.dtype.itemsize)
    pack_a = a.dtype.is_half or _packs_a(sizes, a, a.dtype.itemsize)
    few = varies(sizes.rows) or sizes.rows <= _OWN_ROWS
    own = pack_b and few and (varies(sizes.columns) or sizes.columns > width)
    panel, b_step, packing = width, b.step, None
    if own:
        b_step = width
        own_pairs = b.paired and b.dtype.is_half
        packing = Packing(
            sizes.columns, 0, b.free, b.step, 0, width, b.dtype.name, lanes, own_pairs
        )
    elif pack_b:
        b = _packed(b, sizes.columns, sizes, width, lanes, plan)
        panel, b_step = width * sizes.steps, width
    stages_columns = _stages_columns(sizes, a, tile[0], width)
    if pack_a and not stages_columns:
        a = _packed(a, sizes.rows, sizes, tile[0], lanes, plan)
    streams = _streams(sizes, b, dtype.itemsize) and not pack_b
    g = Gemm(
        columns=sizes.columns,
        a_row=1 if pack_a else a.free,
        a_step=a.step,
        a_packed=pack_a and not stages_columns,
        a_staged=stages_columns or (not pack_a and _stages_rows(sizes, a, tile, width)),
        b_step=b_step,
        packing=packing,
        masked=not pack_b and (varies(sizes.columns) or sizes.columns % width != 0),
        heights=heights,
        cut=sizes.steps > (_STREAM_BLOCK if streams else K_BLOCK),
        tile=tile,
        lanes=lanes,
        dtype=packed_dtype(dtype).name,
        pairs=pairs,
        outlet=outlet,
    )
    n = _blocked(g, sizes, a, b, panel, streams)
    kernel = Kernel("gemm", _key(g, outlet), lambda symbol, target: emit_gemm(symbol, target, g))
    units = sizes.batch * n.row_blocks * n.column_blocks
    numbers = (*n, *outlet.numbers)
    _launch(kernel, sizes, a, b, outlet, outputs, reads, plan, units, g.scratch(n), numbers)


def _key(code: Gemm | Matvec | Partial, outlet: Outlet) -> tuple:
    fields = [getattr(code, name) for name in code.__dataclass_fields__ if name != "outlet"]
    keys = [field.key if isinstance(field, Packing) else blank(field) for field in fields]
    return (*keys, outlet.key)


def _packs_b(sizes: Sizes, b: Operand, itemsize: int) -> bool:
    """B is packed where its columns are apart, or its rows far apart and used often."""
    if b.free != 1 and sizes.columns > 1:
        return True
    many = varies(sizes.rows) or sizes.rows >= _PACK_ROWS
    return many and b.step * itemsize > _NEAR_ROW


def _packs_a(sizes: Sizes, a: Operand, itemsize: int) -> bool:
    """A is packed where its steps are far apart and it is walked for several panels."""
    far = a.step * itemsize > _NEAR_ROW and (varies(sizes.steps) or sizes.steps > 16)
    many = varies(sizes.rows) or sizes.rows >= _PACK_ROWS
    return far and many and (varies(sizes.columns) or sizes.columns >= 48)


def _packed(
    operand: Operand, count: int, sizes: Sizes, width: int, lanes: int, plan: Plan
) -> Operand:
    """The operand in panels of `width`."""
    dtype = operand.dtype
    packing = Packing(
        count,
        sizes.steps,
        operand.free,
        operand.step,
        operand.batch,
        width,
        dtype.name,
        lanes,
        operand.paired and dtype.is_half,
    )
    batch = 1 if operand.batch == 0 else sizes.batch
    target = plan.temporary((batch, packing.elements), packed_dtype(dtype))
    plan.launch(
        Launch(
            Kernel("pack", packing.key, lambda symbol, on: emit_pack(symbol, packing)),
            (target,),
            (operand.buffer,),
            units=pack.units(packing, batch),
            numbers=(count, sizes.steps, operand.batch, operand.free, operand.step),
            bytes=2 * target.nbytes,
        )
    )
    whole = packing.elements if operand.batch else 0
    return Operand(target, whole, width * sizes.steps, width, target.dtype)


def _stages_columns(sizes: Sizes, a: Operand, rows: int, width: int) -> bool:
    """Steps that are far apart are copied by each unit, if not many units would copy the same; for
    a single panel, if A comes from beyond the second cache."""
    apart = a.free == 1 and not varies(a.step) and a.step * a.dtype.itemsize > _NEAR_ROW
    far = apart and (varies(sizes.steps) or sizes.steps > 16)
    few = not varies(sizes.columns) and sizes.columns <= _COPIES * _SPREAD * width
    if not (far and few and sizes.rows >= _PACK_ROWS and not a.dtype.is_half):
        return False
    if sizes.columns > width or varies(sizes.rows, sizes.steps):
        return True
    return sizes.rows * sizes.steps * a.dtype.itemsize >= _CACHED


def _stages_rows(sizes: Sizes, a: Operand, tile: tuple[int, int], width: int) -> bool:
    """Rows that share a cache set are copied out of each other's way, if read for some panels. So
    are rows at a distance that varies, of which a copy has a constant one: their addresses would
    take more registers than there are."""
    if tile[0] <= 4 or a.step != 1:
        return False
    if varies(a.free):
        return tile[1] > 1
    shared = a.free * a.dtype.itemsize % 2048 == 0
    reused = varies(sizes.steps) or sizes.steps > 64
    return shared and reused and sizes.columns >= 4 * width


def _blocked(g: Gemm, sizes: Sizes, a: Operand, b: Operand, panel: int, streams: bool) -> Numbers:
    """How the product is cut into units: as many panels as stay in the second cache, so many tiles
    of rows that each of these is read a few times, as few of both as give eight threads work."""
    itemsize = BY_NAME[g.dtype].itemsize
    k_block = sizes.steps
    if g.cut:
        even = math.ceil(sizes.steps / math.ceil(sizes.steps / K_BLOCK))
        k_block = _STREAM_BLOCK if streams else math.ceil(even / 16) * 16
    row_tiles = -(-sizes.rows // g.tile[0])
    width = g.tile[1] * g.lanes
    most = max(1, (_COPIED_ROWS if g.stages_columns else _BLOCK_ROWS) // g.tile[0])
    if g.packing:  # as many rows as there may be: others would pack the same panels again
        most = _BLOCK_ROWS // g.tile[0] if varies(sizes.rows) else row_tiles
    panel_bytes = k_block * width * itemsize
    block, spread = as_one(
        _dealt, sizes.batch, row_tiles, g.panels, panel_bytes, most, bool(g.packing), streams
    )
    return Numbers(
        sizes.rows,
        sizes.steps,
        a.batch,
        b.batch,
        g.tile[0] * sizes.steps,
        panel,
        k_block,
        block,
        -(-row_tiles // block),
        spread,
        -(-g.panels // spread),
        sizes.columns,
        g.a_row,
        g.a_step,
        g.b_step,
        g.packing.lane_stride if g.packing else 0,
        g.packing.step_stride if g.packing else 0,
    )


def _dealt(
    batch: int, tiles: int, panels: int, panel_bytes: int, most: int, packs: bool, streams: bool
) -> tuple[int, int]:
    """(tiles of rows, panels) of a unit."""
    spread = max(1, _B_BLOCK // panel_bytes)
    spread = panels if streams else -(-panels // -(-panels // spread))
    block = -(-tiles // -(-tiles // most))

    def units() -> int:
        return batch * -(-panels // spread) * -(-tiles // block)

    while block > 1 and units() < _UNITS and not packs:
        block = -(-block // 2)
    while spread > 1 and units() < _UNITS and not streams:
        spread = -(-spread // 2)
    return block, spread


def _launch(
    kernel: Kernel,
    sizes: Sizes,
    a: Operand,
    b: Operand,
    outlet: Outlet,
    outputs: Sequence[Buffer],
    reads: Sequence[Buffer],
    plan: Plan,
    units: int,
    scratch: int,
    numbers: tuple[int, ...] = (),
) -> None:
    buffers = (a.buffer, b.buffer, *reads)
    plan.launch(
        Launch(
            kernel,
            tuple(outputs),
            buffers,
            units=units,
            scratch=scratch,
            numbers=tuple(numbers),
            flops=2 * math.prod(sizes),
            bytes=sum(x.nbytes for x in (*outputs, *buffers)),
            in_place=outlet.in_place(2, sizes[:3]),
        )
    )
