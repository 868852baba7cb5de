"""BRGEMM, the batch-reduce matrix product on a register tile: the one block of all contractions.

`accumulate` emits C += A B for a tile of C that stays in registers, over a run of the contracted
axis. A is read in place, one element broadcast per row and step; B one row of vectors per step. To
reduce over a batch of blocks (input channels, kernel taps), call it in a loop that carries the
accumulators. Sources: Georganas et al., arXiv:1906.06440; Goto & van de Geijn, *Anatomy of
High-Performance Matrix Multiplication* (2008).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from plait.core.codegen import vectors
from plait.core.codegen.text import Function, spread_constant
from plait.core.ir.dtypes import DType

Tile = list[list[str]]

#: Steps between asking for a line and its use, where steps are far apart: some 200 cycles.
AHEAD = 16
#: Bytes between neighbours from which the hardware no longer fetches ahead by itself: it stays
#: within a page.
FAR = 1024
#: Steps in a turn of the loop: counting takes places in which multiply-adds could start.
TURN = 4


def zero_tile(dtype: DType, lanes: int, rows: int, columns: int) -> Tile:
    """Accumulators that start at zero: `rows` x `columns` vectors."""
    zero = spread_constant(vectors.register_type(dtype, lanes), 0)
    return [[zero] * columns for _ in range(rows)]


def flatten(tile: Tile) -> list[str]:
    """The vectors of a tile row by row, as a loop carries them."""
    return [value for row in tile for value in row]


def unflatten(values: Sequence[str], columns: int) -> Tile:
    """The tile of vectors that `flatten` laid out."""
    return [list(values[i : i + columns]) for i in range(0, len(values), columns)]


def accumulate(
    f: Function,
    dtype: DType,
    lanes: int,
    a_rows: Sequence[str],
    a_step: str,
    b: str,
    b_step: str,
    steps: str,
    tile: Tile,
    masks: Sequence[str | None] | None = None,
    pairs: bool = False,
    far: bool = False,
    soon: Callable[[str], str] | None = None,
) -> Tile:
    """The tile after `steps` (i64) steps of the contracted axis.

    a_rows: the address of A[r, 0] for each row; A[r, k] lies `k * a_step` elements after it.
    b: the address of B[0, 0]; row k lies `k * b_step` elements after it, its vectors side by side.
    masks: for each column of vectors, which lanes of B may be read (None: all).
    dtype: of A and B in memory; 16-bit floats accumulate in float32. pairs: what is read as one
    float32 is two bfloat16 neighbours along the contracted axis (AVX512-BF16, 512-bit vectors).
    far: whether the steps of A are so far apart that memory must be asked for them ahead of time.
    soon: what to ask for besides, in each `TURN` steps from the given one on: its address.
    """
    columns = len(tile[0])
    kept = vectors.memory_type(dtype)
    kind = vectors.register_type(dtype, lanes)
    masks = masks or [None] * columns
    multiply = multiply_add_pairs if pairs else multiply_add

    def one_step(index: str, old: Tile) -> Tile:
        row = f.at(b, f.mul(index, b_step), kept)
        loaded = [
            vectors.load(f, dtype, f.at(row, str(j * lanes), kept), lanes, masks[j])
            for j in range(columns)
        ]
        place = f.mul(index, a_step)
        if far:
            f.prefetch(f.at(a_rows[0], f.mul(f.add(index, str(AHEAD)), a_step), kept))
        new = []
        for start, held in zip(a_rows, old):
            one = vectors.load(f, dtype, f.at(start, place, kept), 1)
            spread = one if lanes == 1 else f.splat(kind, one)
            new.append([multiply(f, kind, spread, value, c) for value, c in zip(loaded, held)])
        return new

    def walk(begin: str, end: str, by: int, tile: Tile) -> Tile:
        """The tile after the steps from `begin` to `end`, so many in a turn of the loop."""
        carried = [(kind, value) for value in flatten(tile)]
        with f.loop(begin, end, str(by), carried=carried) as loop:
            now = unflatten(loop.carried, columns)
            if soon and by == TURN:
                f.prefetch(soon(loop.index), 2)
            for number in range(by):
                now = one_step(f.add(loop.index, str(number)), now)
            loop.next = flatten(now)
        return unflatten(loop.results, columns)

    whole = f.let(f"and i64 {steps}, {-TURN}")
    return walk(whole, steps, 1, walk("0", whole, TURN, tile))


def multiply_add(f: Function, kind: str, a: str, b: str, c: str) -> str:
    """a * b + c with one rounding."""
    short = kind if kind[0] != "<" else "v" + kind[1:-1].replace(" x ", "")
    name = f"llvm.fma.{short.replace('float', 'f32').replace('double', 'f64')}"
    return f.call(kind, name, (kind, a), (kind, b), (kind, c))


def multiply_add_pairs(f: Function, kind: str, a: str, b: str, c: str) -> str:
    """c + the two products of bfloat16 that each lane of a and b holds. Denormals count as zero."""
    assert kind == "<16 x float>"
    halves = "<32 x bfloat>"
    x, y = [f.let(f"bitcast {kind} {value} to {halves}") for value in (a, b)]
    name = "llvm.x86.avx512bf16.dpbf16ps.512"
    return f.call(kind, name, (kind, c), (halves, x), (halves, y))
