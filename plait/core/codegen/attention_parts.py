"""What the forward and the backward pass of attention share.

Both hold the scores of a block transposed: one row per key, its lanes the queries. So keys are read
in place, one element broadcast at a time; only the block of queries is turned, once per unit; and
the sums over keys that a softmax takes need no work across lanes. Scores are in units of log 2, for
which the queries are scaled as they are packed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from plait.core.codegen import vectors
from plait.core.codegen.brgemm import accumulate, multiply_add
from plait.core.codegen.text import Function, spread_constant
from plait.core.codegen.transpose import transpose
from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from plait.core.ir.extents import varies
from plait.core.llvm.target import Target

#: Rows of keys in a register tile of scores, and keys in a block.
KEY_ROWS = 4
KEY_BLOCK = 64
#: Rows of a tile of sums that is one or two vectors wide.
ROWS_OF_NARROW = 8
#: Numbers that place one operand: its offset, and its strides over batch, head and row.
PLACE_NUMBERS = 4


@dataclass(frozen=True)
class Shape:
    """What the code of a kernel depends on; extents of sequences are run-time numbers.

    dtype: of q, k, v. width, value_width: sizes of a head. columns: vectors of queries in a block.
    mask: its dtype. mask_axes: leading axes that it is stepped over. mask_rows: whether it differs
    between queries. may_be_blind: whether a query that sees nothing gives zeros (else nan).
    """

    dtype: DType
    width: int
    value_width: int
    columns: int
    scale: float
    causal: bool
    mask: DType | None = None
    mask_axes: int = 0
    mask_rows: bool = False
    may_be_blind: bool = False

    @property
    def wide(self) -> DType:
        """What scores and sums are computed in."""
        return dtypes.float32 if self.dtype.is_half else self.dtype

    def lanes(self, target: Target) -> int:
        return target.lanes(self.wide.itemsize)

    def block(self, target: Target) -> int:
        """Queries in a block."""
        return self.columns * self.lanes(target)

    def key(self) -> tuple:
        mask = None if self.mask is None else self.mask.name
        rest = (self.causal, mask, self.mask_axes, self.mask_rows, self.may_be_blind)
        return (self.dtype.name, self.width, self.value_width, self.columns, self.scale, *rest)


def query_columns(target: Target, dtype: DType, queries: int) -> int:
    """How many vectors of queries a block has: what registers hold, no more than there are; where
    their number varies, what registers hold."""
    lanes = target.lanes(4 if dtype.is_half else dtype.itemsize)
    most = 4 if target.registers >= 32 else 2
    return most if varies(queries) else max(1, min(most, -(-queries // lanes)))


def padded(width: int, lanes: int) -> int:
    """A row's length in scratch memory: whole vectors."""
    return -(-width // lanes) * lanes


def round_up(f: Function, count: str, step: int) -> str:
    """The next multiple of `step` from an i64 on."""
    return f.mul(f.div(f.add(count, str(step - 1)), str(step)), str(step))


class Scratch:
    """Deals out a thread's memory, in elements of one type, each part aligned to 64 bytes."""

    def __init__(self, itemsize: int) -> None:
        self.itemsize = itemsize
        self.used = 0

    def take(self, count: int) -> int:
        """The first element of a new part."""
        start = self.used
        self.used += -(-count * self.itemsize // 64) * 64 // self.itemsize
        return start

    @property
    def nbytes(self) -> int:
        return self.used * self.itemsize


class Places:
    """The addresses of heads of the operands, from the numbers of a launch.

    numbers: queries, keys, units per head, heads; then `PLACE_NUMBERS` per operand; then of a mask
    its strides over queries and keys, and extent and stride of each leading axis, the last first.
    """

    def __init__(self, f: Function, shape: Shape, buffers: int, placed: Sequence[int]) -> None:
        """placed: the buffers that have numbers, in their order; a mask is the last of all."""
        self.f, self.shape, self._placed = f, shape, placed
        operands = len(placed)
        count = 4 + PLACE_NUMBERS * operands + (2 + 2 * shape.mask_axes if shape.mask else 0)
        numbers = [f.argument(buffers + i, "i64") for i in range(count)]
        self.queries, self.keys, self.per_head, self.heads = numbers[:4]
        self._places = [numbers[4 + 4 * i : 8 + 4 * i] for i in range(operands)]
        self._mask = numbers[4 + 4 * operands :]
        self._buffers = buffers

    def head(self, operand: int, dtype: DType, head: str) -> tuple[str, str]:
        """(address of the first row of a head, elements from row to row)."""
        f = self.f
        offset, batch, inner, row = self._places[operand]
        place = f.add(offset, f.mul(f.div(head, self.heads), batch))
        place = f.add(place, f.mul(f.rem(head, self.heads), inner))
        start = f.argument(self._placed[operand])
        return f.at(start, place, vectors.memory_type(dtype)), row

    def mask(self, head: str) -> tuple[str, str, str]:
        """(address, stride over queries, stride over keys) of the mask of a head."""
        f, shape = self.f, self.shape
        assert shape.mask is not None
        by_query, by_key, *axes = self._mask
        place, rest = "0", head
        for i in range(shape.mask_axes):
            extent, stride = axes[2 * i], axes[2 * i + 1]
            place = f.add(place, f.mul(f.rem(rest, extent), stride))
            rest = f.div(rest, extent)
        start = f.argument(self._buffers - 1)
        return f.at(start, place, vectors.memory_type(shape.mask)), by_query, by_key


# -- moving rows ------------------------------------------------------------------------------


def _tail(lanes: int, width: int) -> str | None:
    """The constant mask of a last vector; None where it is full."""
    rest = width % lanes
    if rest == 0:
        return None
    return "<" + ", ".join(f"i1 {'true' if i < rest else 'false'}" for i in range(lanes)) + ">"


def pack_turned(
    f: Function,
    shape: Shape,
    target: Target,
    source: tuple[str, str],
    count: str,
    width: int,
    to: str,
    factor: float = 1.0,
) -> None:
    """to[d, r] = factor * source[r, d] for a block of queries; rows from `count` on repeat it."""
    wide, lanes = shape.wide, shape.lanes(target)
    kind = vectors.register_type(wide, lanes)
    kept, element = vectors.memory_type(shape.dtype), vectors.memory_type(wide)
    block = shape.block(target)
    start, row = source
    last = f.sub(count, "1")

    def square(first: str, column: str, rows: int) -> None:
        mask = None if rows == lanes else _tail(lanes, rows)
        loaded = []
        for r in range(lanes):
            place = f.mul(f.least(f.add(column, str(r)), last), row)
            address = f.at(start, f.add(place, first), kept)
            loaded.append(vectors.load(f, shape.dtype, address, lanes, mask))
        for d, value in enumerate(transpose(f, element, loaded)[:rows]):
            if factor != 1.0:
                value = f.let(f"fmul {kind} {value}, {spread_constant(kind, factor)}")
            place = f.mul(f.add(first, str(d)), str(block))
            vectors.store(f, wide, value, f.at(to, f.add(place, column), element), lanes)

    whole = width // lanes * lanes
    with f.loop("0", str(block), str(lanes)) as columns:
        if whole:
            with f.loop("0", str(whole), str(lanes)) as steps:
                square(steps.index, columns.index, lanes)
        if width > whole:
            square(str(whole), columns.index, width - whole)


def each_vector(
    f: Function, lanes: int, width: int, visit: Callable[[str, str | None], None]
) -> None:
    """visit(first element, mask) for the vectors of a row."""
    whole = width // lanes * lanes
    if whole:
        with f.loop("0", str(whole), str(lanes)) as steps:
            visit(steps.index, None)
    if width > whole:
        visit(str(whole), _tail(lanes, width))


def widened(
    f: Function,
    shape: Shape,
    target: Target,
    source: tuple[str, str],
    count: str,
    width: int,
    to: str,
) -> tuple[str, str]:
    """`count` rows as the products read them: where they are, or 16-bit ones widened to `to`."""
    wide, lanes = shape.wide, shape.lanes(target)
    if shape.dtype is wide:
        return source
    kept, element = vectors.memory_type(shape.dtype), vectors.memory_type(wide)
    length = padded(width, lanes)
    with f.loop("0", count) as rows:
        start = f.at(source[0], f.mul(rows.index, source[1]), kept)
        into = f.at(to, f.mul(rows.index, str(length)), element)

        def move(first: str, mask: str | None) -> None:
            value = vectors.load(f, shape.dtype, f.at(start, first, kept), lanes, mask)
            vectors.store(f, wide, value, f.at(into, first, element), lanes)

        each_vector(f, lanes, width, move)
    return to, str(length)


def fill_zero(f: Function, wide: DType, lanes: int, to: str, count: str) -> None:
    """Zeros in `count` elements, a whole number of vectors."""
    kind = vectors.register_type(wide, lanes)
    with f.loop("0", count, str(lanes)) as steps:
        address = f.at(to, steps.index, vectors.memory_type(wide))
        vectors.store(f, wide, spread_constant(kind, 0), address, lanes)


def store_rows(
    f: Function,
    shape: Shape,
    target: Target,
    source: str,
    count: str,
    width: int,
    to: tuple[str, str],
    factor: Callable[[str], str] | None = None,
) -> None:
    """Rounds rows of sums to where they belong; factor(row) gives a vector to multiply by."""
    wide, lanes = shape.wide, shape.lanes(target)
    kind = vectors.register_type(wide, lanes)
    kept, element = vectors.memory_type(shape.dtype), vectors.memory_type(wide)
    with f.loop("0", count) as rows:
        scale = None if factor is None else factor(rows.index)
        start = f.at(source, f.mul(rows.index, str(padded(width, lanes))), element)
        into = f.at(to[0], f.mul(rows.index, to[1]), kept)

        def move(first: str, mask: str | None) -> None:
            value = vectors.load(f, wide, f.at(start, first, element), lanes)
            if scale is not None:
                value = f.let(f"fmul {kind} {value}, {scale}")
            if mask is not None and width % lanes == 1:
                # With LLVM 22 a bfloat16 store masked to one lane wrote two bytes too many,
                # presumably made scalar with the type from before the truncation to i16.
                value = f.let(f"extractelement {kind} {value}, i64 0")
                vectors.store(f, shape.dtype, value, f.at(into, first, kept), 1)
                return
            vectors.store(f, shape.dtype, value, f.at(into, first, kept), lanes, mask)

        each_vector(f, lanes, width, move)


# -- products ---------------------------------------------------------------------------------


def add_product(
    f: Function,
    wide: DType,
    lanes: int,
    target: Target,
    rows: str,
    width: int,
    a: tuple[str, int, str],
    b: tuple[str, str],
    steps: str,
    to: str,
    factor: Callable[[str], str] | None = None,
    at_once: int = ROWS_OF_NARROW,
) -> None:
    """to[r, :] = factor(r) * to[r, :] + sum over k of A[r, k] B[k, :], for `rows` rows of scratch.

    a: (address, elements from row to row, from step to step). b: (address, elements from row to
    row). Rows are done up to `at_once` at a time: rows up to the next multiple of it are written.
    """
    count = -(-width // lanes)
    most = 4 if target.registers >= 32 else 2
    kind = vectors.register_type(wide, lanes)
    element = vectors.memory_type(wide)
    length = count * lanes

    def group(first: str, columns: int, last: bool) -> None:
        narrow = columns * ROWS_OF_NARROW <= target.registers // 2
        high = min(at_once, ROWS_OF_NARROW if narrow else KEY_ROWS)
        masks: list[str | None] = [None] * columns
        if last:
            masks[-1] = _tail(lanes, width)
        start = f.at(b[0], first, element)
        with f.loop("0", rows, str(high)) as loop:
            numbers = [f.add(loop.index, str(r)) for r in range(high)]
            places = [f.at(to, f.add(f.mul(n, str(length)), first), element) for n in numbers]
            tile = []
            for n, place in zip(numbers, places):
                scale = None if factor is None else factor(n)
                row = []
                for c in range(columns):
                    held = vectors.load(f, wide, f.at(place, str(c * lanes), element), lanes)
                    row.append(held if scale is None else f.let(f"fmul {kind} {held}, {scale}"))
                tile.append(row)
            starts = [f.at(a[0], f.mul(n, str(a[1])), element) for n in numbers]
            tile = accumulate(f, wide, lanes, starts, a[2], start, b[1], steps, tile, masks)
            for place, row in zip(places, tile):
                for c, value in enumerate(row):
                    vectors.store(f, wide, value, f.at(place, str(c * lanes), element), lanes)

    rest = count % most or min(count, most)
    if count > rest:
        with f.loop("0", str((count - rest) * lanes), str(most * lanes)) as groups:
            group(groups.index, most, last=False)
    if rest:
        group(str((count - rest) * lanes), rest, last=True)


# -- scores -----------------------------------------------------------------------------------


class Scores:
    """The scores of one block of queries: their tiles, and what may not be seen."""

    def __init__(
        self, f: Function, shape: Shape, target: Target, first: str, count: str, mask: Any
    ) -> None:
        """first, count: the block's queries. mask: what `Places.mask` gave, or None."""
        self.f, self.shape, self.target = f, shape, target
        self.lanes = shape.lanes(target)
        self.numbers = [self._numbers(first, c) for c in range(shape.columns)]
        self._mask = mask
        self._offsets: list[str] = []
        if mask is not None and shape.mask_rows:
            wide = f"<{self.lanes} x i64>"
            last = f.splat(wide, f.add(first, f.sub(count, "1")))
            step = f.splat(wide, mask[1])
            for number in self.numbers:
                name = f"llvm.smin.v{self.lanes}i64"
                bounded = f.call(wide, name, (wide, number), (wide, last))
                self._offsets.append(f.let(f"mul {wide} {bounded}, {step}"))

    def _numbers(self, first: str, column: int) -> str:
        wide = f"<{self.lanes} x i64>"
        lanes = ", ".join(f"i64 {column * self.lanes + i}" for i in range(self.lanes))
        return self.f.let(f"add {wide} {self.f.splat(wide, first)}, <{lanes}>")

    def tile(self, keys: tuple[str, str], rows: list[str], packed: str, width: int) -> list:
        """Products of the keys (rows of `keys`) and the packed queries, unmasked."""
        f, wide, lanes = self.f, self.shape.wide, self.lanes
        element = vectors.memory_type(wide)
        zero = spread_constant(vectors.register_type(wide, lanes), 0)
        starts = [f.at(keys[0], f.mul(row, keys[1]), element) for row in rows]
        tile = [[zero] * self.shape.columns for _ in rows]
        block = str(self.shape.block(self.target))
        return accumulate(f, wide, lanes, starts, "1", packed, block, str(width), tile)

    def seen(self, score: str, key: str, column: int) -> str:
        """A vector of scores of one key, -inf where it may not be seen."""
        f, lanes = self.f, self.lanes
        kind = vectors.register_type(self.shape.wide, lanes)
        nothing = spread_constant(kind, float("-inf"))
        flags = f"<{lanes} x i1>"
        if self._mask is not None:
            value = self._mask_at(key, column)
            if self.shape.mask is dtypes.bool_:
                score = f.let(f"select {flags} {value}, {kind} {score}, {kind} {nothing}")
            else:
                score = multiply_add(f, kind, value, spread_constant(kind, LOG2_E), score)
        if self.shape.causal:
            spread = f.splat(f"<{lanes} x i64>", key)
            later = f.let(f"icmp slt <{lanes} x i64> {self.numbers[column]}, {spread}")
            score = f.let(f"select {flags} {later}, {kind} {nothing}, {kind} {score}")
        return score

    def _mask_at(self, key: str, column: int) -> str:
        """The mask's values for one key and a vector of queries, in register form."""
        f, lanes, dtype = self.f, self.lanes, self.shape.mask
        assert dtype is not None
        start, _, step = self._mask
        kept = vectors.memory_type(dtype)
        row = f.at(start, f.mul(key, step), kept)
        if not self._offsets:
            one = vectors.load(f, dtype, row, 1)
            return f.splat(vectors.register_type(dtype, lanes), one)
        places = f.let(f"getelementptr {kept}, ptr {row}, <{lanes} x i64> {self._offsets[column]}")
        short = {"float": "f32", "double": "f64"}.get(kept, kept)
        name, kind = f"llvm.masked.gather.v{lanes}{short}.v{lanes}p0", f"<{lanes} x {kept}>"
        f.declare(f"declare {kind} @{name}(<{lanes} x ptr>, <{lanes} x i1>, {kind})")
        every = spread_constant(f"<{lanes} x i1>", True)
        raw = f.let(
            f"call {kind} @{name}(<{lanes} x ptr> align {dtype.itemsize} {places}, "
            f"<{lanes} x i1> {every}, {kind} zeroinitializer)"
        )
        return vectors.to_register(f, dtype, raw, lanes)


LOG2_E = 1 / math.log(2)
