"""What the code of a row kernel depends on, and nothing that comes at run time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from plait.core.ir.graph import Graph


class Lanes(NamedTuple):
    """An access as the code sees it. strides: "0", "1" or "n" (a number at run time), per loop."""

    strides: tuple[str, ...]
    guards: tuple[int, ...]
    fill: Any


@dataclass(frozen=True)
class Style:
    """What the code of a row kernel depends on.

    graph: the row graph, for rows of 2 (which stands for any width) or 1. outer, inner: how many
    loops. across: lanes are neighbouring rows. modes: per output. lanes: elements of a vector.
    unroll: vectors per turn of the main loop; 0: rows are too short for one. form: "map" (units are
    pieces of rows), "rows" (units are rows), "columns" (units are runs of rows whose sums stay in
    registers), "mixed" (units are runs of rows, sums in memory). stream: whole vectors of results
    are written past the caches; their places are multiples of a vector. ahead: elements of a row
    lie on pages of their own, and are asked for ahead of time. blocks: units are blocks of
    neighbouring rows, whose accumulators are in scratch (`rows_blocks`). turns: of the last loop,
    of `unroll` vectors each, where it has just so many; 0: any extent. near: places in a row
    that are looked for fit 32 bits.
    """

    graph: Graph
    outer: int
    inner: int
    across: bool
    reads: tuple[Lanes, ...]
    writes: tuple[Lanes, ...]
    modes: tuple[str, ...]
    lanes: int
    unroll: int
    form: str
    stream: bool = False
    ahead: bool = False
    together: int = 1
    blocks: bool = False
    turns: int = 0
    near: bool = False


class Row:
    """One of the rows that are walked together.

    outer: the indices of the outer loops. number: its place among them. scalars, spread: what it
    has once, by value, and the same in every lane.
    """

    def __init__(self, outer: list[str], number: int = 0) -> None:
        self.outer = outer
        self.number = number
        self.scalars: dict[int, str] = {}
        self.spread: dict[int, str] = {}


class At(NamedTuple):
    """A place in the loops: the row, an index per loop, the mask of its lanes, and the place in the
    row; the values that are known there, and those that all rows share."""

    row: Row
    indices: list[str]
    mask: str | None
    linear: str
    memo: dict[int, str]
    alike: dict[int, str]
