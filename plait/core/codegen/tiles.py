"""Register tiles of matrix products: how many rows by how many vectors, per instruction set.

A tile of R x C accumulators needs C registers for a row of B and one for an element of A, which is
broadcast from memory. Each step loads R + C times for its R C multiply-adds, and CPUs that start
two of these a cycle do not load two full registers of AVX-512 a cycle beside them: so tiles of
three or four vectors go faster than taller ones of two. NEON, with 32 registers, takes the rows of
AVX-512 (untested). AMX has no row: its tiles are of one size (`amx.py`).
"""

from __future__ import annotations

from plait.core.llvm.target import Target

#: Most rows of a tile by the number of its columns, for 32 and for 16 vector registers.
_ROWS = {
    32: {1: 24, 2: 14, 3: 9, 4: 6, 6: 4, 8: 3},
    16: {1: 12, 2: 6, 3: 4, 4: 2},
}
#: Cycles of a step, as measured on Ice Lake: of a load of 64 bytes, of less, and more where its
#: line comes from the second cache; of waiting for the sums of the step before.
_LOAD, _NARROW_LOAD, _LINE, _LATENCY = 1.1, 0.55, 0.4, 4.0


def tile_shape(target: Target, rows: int, vectors: int) -> tuple[int, int]:
    """(rows, columns of vectors) of the tile for a product with so many rows and vectors of a row:
    the one that takes the fewest cycles, where also what the last tiles compute in vain counts.

    Rows are spread evenly over the tiles, so that the last one is not a narrow rest.
    """

    def cycles(tile: tuple[int, int]) -> float:
        height, columns = tile
        count = -(-rows // height) * -(-vectors // columns)
        return count * step_cycles(target, height, columns)

    table = _ROWS[target.registers]
    shapes = [(_height(rows, table[c], more), c) for c in table if c <= vectors for more in (0, 1)]
    return min(shapes, key=cycles)


def _height(rows: int, most: int, more: int) -> int:
    """Rows of the tiles, at most `most`, that `rows` are spread over; of `more` tiles than must be,
    which may leave a shorter rest."""
    return -(-rows // (-(-rows // most) + more))


def step_cycles(target: Target, rows: int, columns: int) -> float:
    """Cycles of a step of a tile, where two multiply-adds begin in each."""
    load = _LOAD if target.vector_bytes == 64 else _NARROW_LOAD
    loads = load * (rows + columns)
    return max(rows * columns / 2, loads, _LATENCY) + _LINE * columns


def tile_of_any(target: Target, vectors: int) -> tuple[tuple[int, int], tuple[int, ...]]:
    """(tile, heights of the tiles for the last rows) for a number of rows known at run time.

    The last rows take the least tile that holds them, so that some rows at most are computed in
    vain: the code has as many loops as there are heights.
    """
    table = _ROWS[target.registers]
    columns = 2 if target.registers < 32 else 3
    while columns > vectors:
        columns -= 1
    return (table[columns], columns), heights_of(table[columns])


def heights_of(most: int) -> tuple[int, ...]:
    """The heights of tiles, up to `most`, that serve any number of last rows."""
    step = max(3, most // 3 // 4 * 4)
    return (*range(step, min(most, 3 * step), step), most)
