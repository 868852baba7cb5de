"""Copies between strided places, and the ops that are nothing else.

Most views never become copies: their readers follow the strides. These are for those that must.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from plait.core.codegen import copies
from plait.core.codegen.access import Access
from plait.core.codegen.kernel import Kernel, Launch
from plait.core.compiler import views
from plait.core.compiler.lower.gather import grain_of, row_major
from plait.core.compiler.plan import Buffer, Plan
from plait.core.ir.derived import as_one
from plait.core.ir.extents import varies
from plait.core.ir.op import elements

#: Bytes of a unit of a strided copy, about.
_UNIT = 1 << 14
#: Columns of a large transpose that are taken at a time, and bytes of the source that are read
#: together for each of them.
_COLUMNS, _NEAR = 64, 1 << 10

Ints = tuple[int, ...]


class _Loop(NamedTuple):
    extent: int
    to: int
    of: int


def plain_copy(
    plan: Plan, source: Buffer, target: Buffer, size: int | None = None, to: int = 0, of: int = 0
) -> None:
    """Copy `size` (all) bytes, `to` and `of` bytes into the buffers; into itself at no cost."""
    size = target.nbytes if size is None else size
    whole = size == target.nbytes
    plan.launch(
        Launch(
            copies.stream_copy() if copies.streams(plan.target, size) else copies.plain_copy(),
            (target,),
            (source,),
            units=-(-size // copies.CHUNK),
            numbers=(size, to, of),
            bytes=2 * size,
            also_reads=not whole,
            in_place=((0, 0),) if whole and to == of else (),
        )
    )


def _by_source(loops: list[_Loop]) -> list[_Loop]:
    """Loops in the order of the source's memory: results that are larger than the caches wait for
    what is read."""
    return sorted(loops, key=lambda loop: -abs(loop.of))


def _run(loops: list[_Loop], width: int) -> int:
    """Bytes of the runs that are copied; 0: long, of no fixed length, or single elements."""
    last = loops[-1]
    run = last.extent * width
    fixed = last.to == last.of == 1 and not varies(last.extent) and width < run <= copies.RUN
    return run if fixed else 0


def _whole_lines(loops: list[_Loop], to: int, width: int) -> bool:
    """Whether all steps in the result, but those to neighbours, are whole lines of the cache."""
    steps = (to, *[loop.to for loop in loops[:-1]])
    return not any(step * width % copies.LINE for step in steps)


def fill_zero(plan: Plan, target: Buffer) -> None:
    """Set all bytes of a buffer to zero."""
    size = target.nbytes
    units = -(-size // copies.CHUNK)
    plan.launch(Launch(copies.zeros(), (target,), (), units=units, numbers=(size,), bytes=size))


def lower_copy(
    plan: Plan,
    source: Buffer,
    target: Buffer,
    source_access: Access,
    target_access: Access,
    extents: Ints,
) -> None:
    """Copy elements of a box of loops: any dtype, both buffers of one.

    Where a guard of the source does not hold, its fill is written. The target has no guards, and
    its places are distinct. Elements of the target outside of the box keep their values.
    """
    if not elements(extents):
        return
    if source_access.guards:
        _lower_guarded(plan, source, target, source_access, target_access, extents)
        return
    loops = _normal(extents, target_access.strides, source_access.strides)
    to, of = target_access.offset, source_access.offset
    width = target.dtype.itemsize
    if len(loops) == 1 and loops[0].to == loops[0].of == 1:
        plain_copy(plan, source, target, loops[0].extent * width, to * width, of * width)
        return
    turned = _turned(loops)
    if turned is not None:
        for part in _parts(turned, to, of, width):
            _launch_tiles(plan, source, target, *part)
        return
    loops = [_Loop(1, 0, 0)] * (2 - len(loops)) + loops
    line = loops[-1].extent * width
    run = _run(loops, width)
    past = copies.streams(plan.target, elements(extents) * width)
    past = past and run > 0 and _whole_lines(loops, to, width) and not run % copies.LINE
    if past:
        loops = [*_by_source(loops[:-1]), loops[-1]]
    lines = as_one(_lines, loops[-2].extent, line)
    blocks = -(-loops[-2].extent // lines)
    units = elements(tuple([loop.extent for loop in loops[:-2]])) * blocks
    kernel = copies.box_copy(width, len(loops), run, past)
    _launch(plan, source, target, kernel, (to, of, lines), loops, units, lines * line)


def _parts(loops: list[_Loop], to: int, of: int, width: int) -> list[tuple[list[_Loop], int, int]]:
    """A transpose as one or two: (loops, where they begin in the target and in the source).

    Where a line of the source is all that rows have in one place, of what is larger than the
    caches, columns are taken some at a time, and with them what comes next in the memory of the
    source: it is fetched along, and is on the same page.
    """
    *outer, rows, columns = loops
    extents = tuple([loop.extent for loop in loops])
    if elements(extents) * width < copies.STREAM_BYTES:
        return [(loops, to, of)]
    near, reach = [], rows.extent
    for loop in sorted(outer, key=lambda loop: loop.of):
        if loop.of != reach or loop.extent * reach * width > _NEAR:
            break
        near.append(loop)
        reach *= loop.extent
    short = rows.extent * width <= 2 * copies.LINE
    if not short or not near or columns.extent < 2 * _COLUMNS or _whole_lines(loops, to, width):
        return [(loops, to, of)]
    others = _by_source([loop for loop in outer if loop not in near])
    count, left = divmod(columns.extent, _COLUMNS)
    chunks = _Loop(count, _COLUMNS * columns.to, _COLUMNS * columns.of)
    inside = [*_by_source(near), rows]
    parts = [([*others, chunks, *inside, columns._replace(extent=_COLUMNS)], to, of)]
    if left:
        done = (to + count * chunks.to, of + count * chunks.of)
        parts.append(([*others, *inside, columns._replace(extent=left)], *done))
    return parts


def _launch_tiles(
    plan: Plan, source: Buffer, target: Buffer, loops: list[_Loop], to: int, of: int
) -> None:
    """Transposes of the last two loops."""
    width, extents = target.dtype.itemsize, tuple([loop.extent for loop in loops])
    rows, columns = extents[-2:]
    units = elements(extents[:-2])
    streams = copies.streams(plan.target, elements(extents) * width)
    if streams and _whole_lines(loops, to, width):
        loops = [*_by_source(loops[:-2]), *loops[-2:]]
        kernel, side = copies.stream_tiles(width, len(loops)), rows
        lines = copies.strip_lines(width, plan.target)
        units *= -(-columns // lines)
    else:
        kernel, side, lines = copies.tile_copy(width, len(loops)), columns, copies.TILE
        units *= -(-rows // lines)
    _launch(plan, source, target, kernel, (to, of), loops, units, side * lines * width)


def _launch(
    plan: Plan,
    source: Buffer,
    target: Buffer,
    kernel: Kernel,
    first: Ints,
    loops: list[_Loop],
    units: int,
    unit_bytes: int,
) -> None:
    moved = elements(tuple([loop.extent for loop in loops])) * target.dtype.itemsize
    plan.launch(
        Launch(
            kernel,
            (target,),
            (source,),
            units=units,
            numbers=(
                *first,
                *[loop.extent for loop in loops],
                *[loop.to for loop in loops],
                *[loop.of for loop in loops],
            ),
            grain=grain_of(unit_bytes),
            bytes=2 * moved,
            also_reads=moved != target.nbytes,
        )
    )


def _lines(lines: int, line: int) -> int:
    """How many lines of so many bytes are copied at a time."""
    return max(1, min(lines, _UNIT // line))


def _normal(extents: Ints, to: Ints, of: Ints) -> list[_Loop]:
    """The loops in the order of the target's memory, as few as can be; at least one."""
    loops = [_Loop(*loop) for loop in zip(extents, to, of) if loop[0] != 1]
    loops.sort(key=lambda loop: -abs(loop.to))
    merged: list[_Loop] = []
    for loop in loops:
        if merged and merged[-1][1:] == (loop.extent * loop.to, loop.extent * loop.of):
            loop = _Loop(merged.pop().extent * loop.extent, loop.to, loop.of)
        merged.append(loop)
    return merged or [_Loop(1, 1, 1)]


def _turned(loops: list[_Loop]) -> list[_Loop] | None:
    """The loops with the source's neighbours last but one, where the target's are last."""
    if loops[-1].to != 1 or loops[-1].of == 1 or loops[-1].extent < 8:
        return None
    for place, loop in enumerate(loops[:-1]):
        if loop.of == 1 and loop.extent >= 8:
            return [*loops[:place], *loops[place + 1 : -1], loop, loops[-1]]
    return None


def _lower_guarded(
    plan: Plan,
    source: Buffer,
    target: Buffer,
    source_access: Access,
    target_access: Access,
    extents: Ints,
) -> None:
    """Fill the box, then copy what lies inside of the guards."""
    lower_fill(plan, target, source_access.fill, target_access, extents)
    of, to, inside = source_access.offset, target_access.offset, list(extents)
    low = [0] * len(extents)
    for guard in source_access.guards:
        low[guard.loop] = max(low[guard.loop], guard.low)
        inside[guard.loop] = min(inside[guard.loop], guard.high)
    inside = [max(0, stop - start) for start, stop in zip(low, inside)]
    of += sum(a * s for a, s in zip(low, source_access.strides))
    to += sum(a * s for a, s in zip(low, target_access.strides))
    lower_copy(
        plan,
        source,
        target,
        Access(source_access.strides, of),
        Access(target_access.strides, to),
        tuple(inside),
    )


def lower_fill(plan: Plan, target: Buffer, value: Any, access: Access, extents: Ints) -> None:
    """Write one value to the elements of a box."""
    one = np.full((1,), value, target.dtype.numpy)
    if elements(extents) * target.dtype.itemsize == target.nbytes and not one.view("u1").any():
        fill_zero(plan, target)
        return
    spread = Access((0,) * len(extents))
    lower_copy(plan, plan.constant(one, target.dtype), target, spread, access, extents)


# -- ops --------------------------------------------------------------------------------------


def _lower_view(made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Any = None) -> bool:
    """One of the ops that are index arithmetic, as a copy."""
    (source,), (target,) = inputs, outputs
    if epilogue is not None:
        return False
    if not elements(target.shape):
        return True
    view = views.apply(views.whole(0, source.shape), made)
    if view is None:
        return False
    here = Access(row_major(target.shape))
    lower_copy(plan, source, target, view.access(), here, target.shape)
    return True


def _lower_pad(made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Any = None) -> bool:
    (source,), (target,) = inputs, outputs
    if epilogue is not None:
        return False
    strides = row_major(target.shape)
    low, interior = made.attrs["low"], made.attrs["interior"]
    offset = sum(a * s for a, s in zip(low, strides))
    if elements(target.shape) != elements(source.shape):
        lower_fill(plan, target, made.attrs["value"], Access(strides), target.shape)
    apart = tuple([s * (between + 1) for s, between in zip(strides, interior)])
    lower_copy(
        plan, source, target, Access(row_major(source.shape)), Access(apart, offset), source.shape
    )
    return True


def _lower_update(made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Any = None) -> bool:
    (base, value), (target,) = inputs, outputs
    if epilogue is not None:
        return False
    starts, steps = made.attrs["starts"], made.attrs["steps"]
    strides = row_major(target.shape)
    offset = sum(a * s for a, s in zip(starts, strides))
    if elements(value.shape) != elements(base.shape):
        plain_copy(plan, base, target)
    apart = tuple([s * step for s, step in zip(strides, steps)])
    lower_copy(
        plan, value, target, Access(row_major(value.shape)), Access(apart, offset), value.shape
    )
    return True


def lower_concat(
    plan: Plan, sources: Sequence[tuple[Buffer, Access, Ints]], target: Buffer, axis: int
) -> None:
    """One after another along an axis: (buffer, how it is read, extents) of each."""
    start, strides = 0, row_major(target.shape)
    for source, access, extents in sources:
        here = Access(strides, start * strides[axis])
        lower_copy(plan, source, target, access, here, extents)
        start += extents[axis]


def _lower_concat(made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Any = None) -> bool:
    if epilogue is not None:
        return False
    sources = [(x, Access(row_major(x.shape)), x.shape) for x in inputs]
    lower_concat(plan, sources, outputs[0], made.attrs["axis"])
    return True


def _lower_bitcast(made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Any = None) -> bool:
    if epilogue is not None:
        return False
    plain_copy(plan, inputs[0], outputs[0])
    return True


LOWERINGS = {
    "bitcast": _lower_bitcast,
    "broadcast": _lower_view,
    "concat": _lower_concat,
    "flip": _lower_view,
    "pad": _lower_pad,
    "reshape": _lower_view,
    "slice": _lower_view,
    "transpose": _lower_view,
    "update_slice": _lower_update,
}
