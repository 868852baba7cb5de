"""Views as index arithmetic: where each element of a value lies in the memory of another.

A `View` of a base value says, for each axis, the stride in elements; with an offset, and guards
where padding stands outside of the base. Chains of view ops fold into one; what has no such form
(a reshape that would split a stride) is copied first.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from plait.core.codegen.access import Access, Guard
from plait.core.ir.graph import Instruction
from plait.core.ir.op import elements
from plait.core.ops.view import BROADCAST, FLIP, PAD, RESHAPE, SLICE, TRANSPOSE


class View(NamedTuple):
    """Element i of the value is element `offset + i . strides` of the row-major base.

    count: elements of the base.
    """

    base: int
    count: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0
    guards: tuple[Guard, ...] = ()
    fill: float | int | bool = 0

    @property
    def is_whole(self) -> bool:
        """Whether the elements are those of the base, in its order: the same memory."""
        same_size = self.count == elements(self.shape)
        return same_size and not self.guards and self.strides == row_major(self.shape)

    def access(self) -> Access:
        return Access(self.strides, self.offset, self.guards, self.fill)


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides in elements of a contiguous value; 0 along axes of extent 1."""
    strides = [0] * len(shape)
    step = 1
    for axis in range(len(shape) - 1, -1, -1):
        strides[axis] = 0 if shape[axis] == 1 else step
        step *= shape[axis]
    return tuple(strides)


def whole(value: int, shape: tuple[int, ...]) -> View:
    """A value seen as itself."""
    return View(value, elements(shape), shape, row_major(shape))


def apply(view: View, made: Instruction) -> View | None:
    """The view that an op makes of a view; None where it has no such form."""
    rule = _RULES.get(made.op.name)
    return None if rule is None or elements(made.shape) == 0 else rule(view, made)


def _transpose(view: View, made: Instruction) -> View:
    axes = made.attrs["axes"]
    place = {axis: i for i, axis in enumerate(axes)}
    return view._replace(
        shape=made.shape,
        strides=tuple([view.strides[axis] for axis in axes]),
        guards=tuple([g._replace(loop=place[g.loop]) for g in view.guards]),
    )


def _broadcast(view: View, made: Instruction) -> View | None:
    lead = len(made.shape) - len(view.shape)
    stretched = [n == 1 and m != 1 for n, m in zip(view.shape, made.shape[lead:])]
    strides = [0 if wide else s for wide, s in zip(stretched, view.strides)]
    guards = []
    for guard in view.guards:
        if not stretched[guard.loop]:
            guards.append(guard._replace(loop=guard.loop + lead))
        elif not guard.low <= 0 < guard.high:
            return None  # the one element that is repeated is padding
    return view._replace(shape=made.shape, strides=(*[0] * lead, *strides), guards=tuple(guards))


def _slice(view: View, made: Instruction) -> View | None:
    starts, steps = made.attrs["starts"], made.attrs["steps"]
    guards = []
    for guard in view.guards:
        start, step = starts[guard.loop], steps[guard.loop]
        if step != 1:
            return None
        guards.append(guard._replace(low=guard.low - start, high=guard.high - start))
    return view._replace(
        shape=made.shape,
        strides=tuple(
            [0 if n == 1 else s * step for n, s, step in zip(made.shape, view.strides, steps)]
        ),
        offset=view.offset + sum(a * s for a, s in zip(starts, view.strides)),
        guards=tuple(guards),
    )


def _flip(view: View, made: Instruction) -> View | None:
    axes = made.attrs["axes"]
    if any(guard.loop in axes for guard in view.guards):
        return None
    turned = [-s if i in axes else s for i, s in enumerate(view.strides)]
    moved = sum((view.shape[i] - 1) * view.strides[i] for i in axes)
    return view._replace(strides=tuple(turned), offset=view.offset + moved)


def _pad(view: View, made: Instruction) -> View | None:
    low, interior, fill = made.attrs["low"], made.attrs["interior"], made.attrs["value"]
    if any(interior) or (view.guards and view.fill != fill) or 0 in view.shape:
        return None
    guards = [g._replace(low=g.low + low[g.loop], high=g.high + low[g.loop]) for g in view.guards]
    guards += [
        Guard(axis, start, start + n)
        for axis, (start, n, wide) in enumerate(zip(low, view.shape, made.shape))
        if wide != n
    ]
    return view._replace(
        shape=made.shape,
        offset=view.offset - sum(a * s for a, s in zip(low, view.strides)),
        guards=tuple(guards),
        fill=fill,
    )


def _reshape(view: View, made: Instruction) -> View | None:
    if view.guards:
        return None
    strides = reshaped_strides(view.shape, view.strides, made.shape)
    return None if strides is None else view._replace(shape=made.shape, strides=strides)


def reshaped_strides(
    shape: tuple[int, ...], strides: tuple[int, ...], wanted: tuple[int, ...]
) -> tuple[int, ...] | None:
    """Strides under which `wanted` walks the same elements in the same order; None if there are
    none."""
    old = [(n, s) for n, s in zip(shape, strides) if n != 1]
    result: list[int] = []
    place = 0
    held: list[tuple[int, int]] = []  # the run of old axes that the next new axes divide
    rest = 1
    for extent in wanted:
        if extent == 1:
            result.append(0)
            continue
        while rest % extent or rest == 1:
            if place == len(old):
                return None
            held.append(old[place])
            rest *= old[place][0]
            place += 1
        rest //= extent
        stride = _stride_of_run(held, rest)
        if stride is None:
            return None
        result.append(stride)
        if rest == 1:
            held = []
    return tuple(result)


def _stride_of_run(run: list[tuple[int, int]], inner: int) -> int | None:
    """The stride of an axis with `inner` elements after it, if the run has one stride."""
    for (_, outer_stride), (extent, stride) in pairwise(run):
        if outer_stride != extent * stride:
            return None
    return run[-1][1] * inner


_RULES = {
    TRANSPOSE.name: _transpose,
    BROADCAST.name: _broadcast,
    SLICE.name: _slice,
    FLIP.name: _flip,
    PAD.name: _pad,
    RESHAPE.name: _reshape,
}
