"""How a kernel's loops reach elements of buffers, and what it does to results on their way out."""

from __future__ import annotations

from typing import NamedTuple

from plait.core.ir.graph import Graph


class Guard(NamedTuple):
    """Outside of low <= index < high along a loop, the buffer is not read."""

    loop: int
    low: int
    high: int


class Access(NamedTuple):
    """Element `offset + sum(index[d] * strides[d])` of a buffer, over the loops of a kernel.

    strides: in elements, one per loop; 0 broadcasts. guards: where one does not hold, `fill` stands
    in (padding).
    """

    strides: tuple[int, ...]
    offset: int = 0
    guards: tuple[Guard, ...] = ()
    fill: float | int | bool = 0


class Epilogue(NamedTuple):
    """What a contraction does to each element while it is still in registers.

    graph: elementwise ops on 0-d values. Its input 0 is the finished accumulator, of the dtype of
    the op's result; the others are read, by `reads`, from buffers that follow the op's own inputs.
    Its outputs are stored by `writes`. Accesses run over the axes of the op's result, in order.
    """

    graph: Graph
    reads: tuple[Access, ...] = ()
    writes: tuple[Access, ...] = ()
