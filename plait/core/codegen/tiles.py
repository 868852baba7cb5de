"""Register tiles of matrix products: how many rows by how many vectors, per instruction set.

A tile of R x C accumulators needs C registers for a row of B besides; A is broadcast from memory.
Few rows take more columns, so that enough multiply-adds are in flight to hide their latency of
four cycles on two ports. NEON, with 32 registers, takes the rows of AVX-512 (untested). AMX has no
row: its tiles are of one size (`amx.py`).
"""

from __future__ import annotations

from plait.core.llvm.target import Target

#: Most rows of a tile by the number of its columns, for 32 and for 16 vector registers.
_ROWS = {
    32: {1: 24, 2: 14, 3: 9, 4: 6, 6: 4, 8: 3},
    16: {1: 12, 2: 6, 3: 4, 4: 2},
}


def tile_shape(target: Target, rows: int, vectors: int) -> tuple[int, int]:
    """(rows, columns of vectors) of the tile for a product with so many rows and vectors of a row.

    Rows are spread evenly over the tiles, so that the last one is not a narrow rest.
    """
    table = _ROWS[target.registers]
    columns = 2
    for wider in sorted(table):
        if wider <= vectors and rows <= table[wider]:
            columns = max(columns, wider)
    columns = min(columns, vectors)
    most = table[columns] if columns in table else table[max(c for c in table if c <= columns)]
    tiles = -(-rows // most)
    return -(-rows // tiles), columns


def tile_of_any(target: Target, vectors: int) -> tuple[tuple[int, int], tuple[int, ...]]:
    """(tile, heights of the tiles for the last rows) for a number of rows known at run time.

    The last rows take the least tile that holds them, so that some rows at most are computed in
    vain: the code has as many loops as there are heights.
    """
    table = _ROWS[target.registers]
    columns = 1 if vectors == 1 else 2
    return (table[columns], columns), heights_of(table[columns])


def heights_of(most: int) -> tuple[int, ...]:
    """The heights of tiles, up to `most`, that serve any number of last rows."""
    step = max(3, most // 3 // 4 * 4)
    return (*range(step, min(most, 3 * step), step), most)
