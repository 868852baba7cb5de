"""Row kernels against their twin: the row graph on the reference, one row after another."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from plait.core.codegen.access import Access, Guard
from plait.core.codegen.rows import RowKernel, Write
from plait.core.codegen.rows_units import emit_rows
from plait.core.compiler.lower import long_rows
from plait.core.compiler.lower import rows as row_launches
from plait.core.compiler.lower.rows import lower_rows, style_of
from plait.core.compiler.plan import Buffer, Plan
from plait.core.compiler.rewrite import Builder
from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType, dtype_of
from plait.core.ir.graph import Graph
from plait.core.ir.node import Spec
from plait.core.ir.op import Op
from plait.core.llvm.target import target
from plait.core.ops.elementwise import ADD, CAST, MUL, SUB, XOR
from plait.core.ops.math import EXP, RECIPROCAL, RELU, RSQRT
from plait.core.ops.reduce import ALL, ANY, ARGMAX, ARGMIN, MAX, MIN, PROD, SUM
from plait.core.reference import executor
from tests.codegen import harness
from tests.codegen.harness import run_plan

ISAS = ("avx512", "avx2")
WIDTHS = (1, 3, 17, 63, 127, 300)


def row_major(extents: Sequence[int]) -> tuple[int, ...]:
    return tuple([math.prod(extents[i + 1 :]) for i in range(len(extents))])


def places(access: Access, extents: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(the element that each turn of the loops reaches, whether the guards let it), in order."""
    where = np.full(extents, access.offset, np.int64)
    inside = np.ones(extents, bool)
    for loop, stride in enumerate(access.strides):
        index = np.arange(extents[loop]).reshape(
            [-1 if i == loop else 1 for i in range(len(extents))]
        )
        where += index * stride
        for guard in access.guards:
            if guard.loop == loop:
                inside &= (index >= guard.low) & (index < guard.high)
    return where.ravel(), inside.ravel()


def twin(kernel: RowKernel, arrays: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> None:
    """What the kernel must leave in `outputs`, by one run of the reference for each row."""
    width = kernel.width
    rows: list[np.ndarray] = []
    for access, array in zip(kernel.reads, arrays, strict=True):
        where, inside = places(access, kernel.extents)
        flat = array.reshape(-1)
        values = np.where(inside, flat[np.where(inside, where, 0)], access.fill).astype(flat.dtype)
        rows.append(values.reshape(kernel.rows, width))
    targets = [places(w.access, kernel.extents)[0].reshape(-1, width) for w in kernel.writes]
    for write, out in zip(kernel.writes, outputs):
        if write.mode == "accumulate":
            out[...] = 0
    for row in range(kernel.rows):
        shapes = [spec.shape for spec in kernel.graph.inputs]
        given = [np.ascontiguousarray(r[row][: s[0]]) for r, s in zip(rows, shapes, strict=True)]
        found = executor.run(kernel.graph, given)
        for write, out, to, value in zip(kernel.writes, outputs, targets, found, strict=True):
            place = to[row][: value.size]
            if write.mode == "accumulate":
                out.reshape(-1)[place] += value
            else:
                out.reshape(-1)[place] = value


def check(
    kernel: RowKernel,
    arrays: Sequence[np.ndarray],
    shapes: Sequence[tuple[int, ...]],
    isa: str,
    rtol: float = 2e-5,
    atol: float = 2e-5,
) -> list[np.ndarray]:
    """The kernel's outputs, of these shapes, which are those of its twin."""
    plan = Plan(target(isa))
    kinds = [kernel.graph.type_of(v).dtype for v in kernel.graph.outputs]
    outputs = [Buffer(s, d, "output") for s, d in zip(shapes, kinds, strict=True)]
    inputs = [Buffer(a.shape, dtype_of(a.dtype), "input") for a in arrays]
    assert lower_rows(kernel, outputs, inputs, plan)
    found = run_plan(plan, {id(b): a for b, a in zip(inputs, arrays)}, outputs)
    expected = [np.zeros(b.shape, b.dtype.numpy) for b in outputs]
    twin(kernel, arrays, expected)
    for mine, theirs, kind in zip(found, expected, kinds):
        if kind.kind == "f":
            wide = np.float64
            np.testing.assert_allclose(mine.astype(wide), theirs.astype(wide), rtol, atol)
        else:
            np.testing.assert_array_equal(mine, theirs)
    return found


def graph(inputs: Sequence[Spec], write: Callable[[Builder], list[int]]) -> Graph:
    build = Builder(inputs)
    return build.finish(write(build))


def values(shape: tuple[int, ...], dtype: DType, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu":
        return rng.integers(0, 50, shape).astype(dtype.numpy)
    return rng.standard_normal(shape).astype(np.float32).astype(dtype.numpy)


def float_row(width: int, dtype: DType = dtypes.float32) -> Spec:
    return Spec((width,), dtype)


def softmax(build: Builder, x: int, width: int) -> int:
    top = build.broadcast(build.emit(MAX, x, axes=(0,)), (width,))
    e = build.emit(EXP, build.emit(SUB, x, top))
    total = build.emit(RECIPROCAL, build.emit(SUM, e, axes=(0,)))
    return build.emit(MUL, e, build.broadcast(total, (width,)))


# -- maps -------------------------------------------------------------------------------------


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("width", (*WIDTHS, 5000))
def test_map(width: int, isa: str) -> None:
    spec = float_row(width)
    g = graph([spec, spec], lambda b: [b.emit(RELU, b.emit(ADD, 0, 1))])
    whole, bias = Access((width, 1)), Access((0, 1))
    kernel = RowKernel(g, (3,), (width,), (whole, bias), (Write(whole, "store"),))
    arrays = [values((3, width), dtypes.float32), values((width,), dtypes.float32, 1)]
    check(kernel, arrays, [(3, width)], isa, 0, 0)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("shape", [(1, 1), (3, 17), (17, 63), (127, 3)])
def test_transposed_read_and_write(shape: tuple[int, int], isa: str) -> None:
    m, n = shape
    g = graph([float_row(n)], lambda b: [b.emit(ADD, 0, 0)])
    rows, columns = Access((n, 1)), Access((1, m))
    for read, write in itertools.permutations((rows, columns)):
        kernel = RowKernel(g, (m,), (n,), (read,), (Write(write, "store"),))
        check(kernel, [values((m * n,), dtypes.float32)], [(m * n,)], isa, 0, 0)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("fill", [0.0, -1.5])
def test_padding(fill: float, isa: str) -> None:
    """A 5 x 37 image within a border of 2; the buffer ends where the image does."""
    h, w = 9, 41
    guards = (Guard(0, 2, 7), Guard(1, 2, 39))
    g = graph([float_row(w)], lambda b: [b.emit(ADD, 0, 0)])
    read = Access((37, 1), -2 * 37 - 2, guards, fill)
    kernel = RowKernel(g, (h,), (w,), (read,), (Write(Access((w, 1)), "store"),))
    check(kernel, [values((5, 37), dtypes.float32)], [(h, w)], isa, 0, 0)


# -- reductions -------------------------------------------------------------------------------

_FOLDS = [
    *[(op, d) for op in (SUM, MAX, MIN) for d in (dtypes.float32, dtypes.float64, dtypes.int64)],
    *[(op, d) for op in (SUM, MAX) for d in (dtypes.float16, dtypes.bfloat16)],
    (MAX, dtypes.uint8), (MIN, dtypes.uint8), (PROD, dtypes.float32), (SUM, dtypes.int32),
    (ANY, dtypes.bool_), (ALL, dtypes.bool_), (ARGMAX, dtypes.float32), (ARGMIN, dtypes.float32),
    (ARGMAX, dtypes.int32),
]  # fmt: skip


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("op", "dtype"), _FOLDS, ids=lambda x: x.name)
@pytest.mark.parametrize("across", [False, True])
def test_fold(op: Op, dtype: DType, across: bool, isa: str) -> None:
    attrs: dict[str, Any] = {"axis": 0} if op in (ARGMAX, ARGMIN) else {"axes": (0,)}
    for width in WIDTHS:
        rows = 19
        g = graph([Spec((width,), dtype)], lambda b: [b.emit(op, 0, source=None, **attrs)])
        read = Access((1, rows)) if across else Access((width, 1))
        kernel = RowKernel(g, (rows,), (width,), (read,), (Write(Access((1, 0)), "store"),))
        array = values((rows * width,), dtype, width)
        if op is PROD:
            array = (1 + array / 100).astype(dtype.numpy)
        # A unit in the last place of a 16-bit float, which is rounded once here and there.
        rtol = {"float16": 1e-3, "bfloat16": 8e-3}.get(dtype.name, 2e-5)
        check(kernel, [array], [(rows,)], isa, rtol, max(rtol, 2e-5))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
def test_softmax(width: int, across: bool, isa: str) -> None:
    rows = 21
    g = graph([float_row(width)], lambda b: [softmax(b, 0, width)])
    access = Access((1, rows)) if across else Access((width, 1))
    kernel = RowKernel(g, (rows,), (width,), (access,), (Write(access, "store"),))
    check(kernel, [values((rows * width,), dtypes.float32)], [(rows * width,)], isa)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("width", [1 << 15, (1 << 16) + 1, (1 << 20) + 77])
def test_long_sum_stays_accurate(width: int, isa: str) -> None:
    """Equal terms, whose roundoffs all have one sign: each accumulator adds a few hundred."""
    g = graph([float_row(width)], lambda b: [b.emit(SUM, 0, axes=(0,))])
    kernel = RowKernel(g, (), (width,), (Access((1,)),), (Write(Access((0,)), "store"),))
    check(kernel, [np.full(width, 0.1, np.float32)], [(1,)], isa, 2e-5, 0)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("op", [MAX, MIN, SUM], ids=lambda op: op.name)
def test_long_row_with_what_goes_before_and_after(op: Op, isa: str) -> None:
    width = 40001

    def write(b: Builder) -> list[int]:
        scaled = b.emit(MUL, 0, b.broadcast(1, (width,)))
        folded = b.emit(op, b.emit(RELU, scaled), axes=(0,))
        return [b.emit(ADD, folded, 1), folded]

    g = graph([float_row(width), float_row(1)], write)
    reads, writes = (Access((2,)), Access((0,))), (Write(Access((0,)), "store"),) * 2
    arrays = [values((2 * width,), dtypes.float32), values((1,), dtypes.float32, 3)]
    check(RowKernel(g, (), (width,), reads, writes), arrays, [(1,), (1,)], isa)


# -- sums over rows ---------------------------------------------------------------------------


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("op", [ARGMAX, ARGMIN], ids=lambda op: op.name)
@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("near", [True, False])
def test_the_first_of_equals_and_nan_come_first(
    op: Op, across: bool, near: bool, isa: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of one value (the neutral one, too), with ties, and with nan; longer than an unrolled
    turn and shorter than a vector. Places are held in 32 bits, or are too many for these."""
    if not near:
        monkeypatch.setattr(row_launches, "_PLACES", 0)
    worst = -np.inf if op is ARGMAX else np.inf
    for width in (1, 5, 16, 63, 130):
        array = np.full((8, width), worst, np.float32)
        array[1] = 2
        array[2, width // 2 :] = 1
        array[3, width - 1] = np.nan
        array[4, width // 2 :: 3] = np.nan
        array[5] = np.nan
        array[6, ::2] = -worst
        array[7] = -worst
        g = graph([float_row(width)], lambda b: [b.emit(op, 0, axis=0)])
        read = Access((1, 8)) if across else Access((width, 1))
        kernel = RowKernel(g, (8,), (width,), (read,), (Write(Access((1, 0)), "store"),))
        given = np.ascontiguousarray(array.T if across else array)
        assert style_of(kernel, target(isa)).near == near
        check(kernel, [given], [(8,)], isa, 0, 0)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(
    ("op", "dtype"),
    [(MAX, dtypes.float32), (MIN, dtypes.int32), (MAX, dtypes.float64), (ARGMAX, dtypes.float32)],
    ids=lambda x: x.name,
)
def test_many_rows_side_by_side_are_folded_together(op: Op, dtype: DType, isa: str) -> None:
    attrs: dict[str, Any] = {"axis": 0} if op is ARGMAX else {"axes": (0,)}
    width = 7
    for rows, wide in ((600, True), (40, False)):
        g = graph([Spec((width,), dtype)], lambda b: [b.emit(op, b.emit(ADD, 0, 0), **attrs)])
        write = Write(Access((1, 0)), "store")
        kernel = RowKernel(g, (rows,), (width,), (Access((1, rows)),), (write,))
        assert (style_of(kernel, target(isa)).lanes > target(isa).lanes(dtype.itemsize)) == wide
        check(kernel, [values((rows * width,), dtype)], [(rows,)], isa, 0, 0)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("width", [32, 55])
@pytest.mark.parametrize(
    ("op", "dtype"),
    [(MAX, dtypes.float32), (SUM, dtypes.float64), (ARGMAX, dtypes.float32), (MIN, dtypes.int16)],
    ids=lambda x: x.name,
)
def test_rows_side_by_side_in_blocks(
    op: Op, dtype: DType, width: int, isa: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In several blocks, the last of which is no multiple of a vector, with nan: the bits of single
    vectors. What is folded is computed with a value per row."""
    rows = 1200 + 7
    attrs: dict[str, Any] = {"axis": 0} if op is ARGMAX else {"axes": (0,)}

    def write(build: Builder) -> list[int]:
        given = build.emit(ADD, 0, build.broadcast(1, (width,)))
        return [build.emit(op, given, **attrs)]

    g = graph([Spec((width,), dtype), Spec((1,), dtype)], write)
    reads = (Access((1, rows)), Access((1, 0)))
    kernel = RowKernel(g, (rows,), (width,), reads, (Write(Access((1, 0)), "store"),))
    given = values((width, rows), dtype)
    if op is ARGMAX:
        given[3, ::5] = given[5, ::10] = np.nan
    arrays = [given.reshape(-1), values((rows,), dtype, 1)]
    (alone,) = check(kernel, arrays, [(rows,)], isa)
    monkeypatch.setattr(row_launches, "_CACHED", 1 << 10)
    monkeypatch.setattr(row_launches, "_HELD", 1 << 11)
    assert style_of(kernel, target(isa)).blocks
    (blocks,) = check(kernel, arrays, [(rows,)], isa)
    np.testing.assert_array_equal(blocks, alone)


@pytest.mark.parametrize("isa", ISAS)
def test_several_passes_over_rows_in_blocks(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variance, and the greatest distance from the mean."""
    rows, width = 1100, 50

    def write(build: Builder) -> list[int]:
        share = build.full(1 / width, (1,), dtypes.float32)
        mean = build.emit(MUL, build.emit(SUM, 0, axes=(0,)), share)
        apart = build.emit(SUB, 0, build.broadcast(mean, (width,)))
        square = build.emit(SUM, build.emit(MUL, apart, apart), axes=(0,))
        return [build.emit(MUL, square, share), build.emit(MAX, apart, axes=(0,)), mean]

    g = graph([float_row(width)], write)
    each = Write(Access((1, 0)), "store")
    kernel = RowKernel(g, (rows,), (width,), (Access((1, rows)),), (each,) * 3)
    assert not style_of(kernel, target(isa)).blocks
    monkeypatch.setattr(row_launches, "_MAPPED", 1 << 10)
    assert style_of(kernel, target(isa)).blocks
    check(kernel, [values((rows * width,), dtypes.float32)], [(rows,)] * 3, isa)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("op", [MAX, MIN, ANY], ids=lambda op: op.name)
def test_long_rows_side_by_side_are_cut(op: Op, isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes before the fold reads a value per row, and what comes after another one."""
    monkeypatch.setattr(long_rows, "_CACHED", 1 << 10)
    rows, width, dtype = 37, 200, dtypes.bool_ if op is ANY else dtypes.float32

    def write(build: Builder) -> list[int]:
        before = build.emit(XOR if op is ANY else ADD, 0, build.broadcast(1, (width,)))
        total = build.emit(op, before, axes=(0,))
        return [build.emit(XOR if op is ANY else MUL, total, 2)]

    g = graph([Spec((width,), dtype), Spec((1,), dtype), Spec((1,), dtype)], write)
    each = Access((1, 0))
    kernel = RowKernel(
        g, (rows,), (width,), (Access((1, rows)), each, each), (Write(each, "store"),)
    )
    pieces = long_rows.cut(kernel, across=True)
    assert pieces is not None and pieces.rest is not None and pieces.main.rows > rows
    assert long_rows.cut(kernel, across=False) is None
    arrays = [values((rows * width,), dtype), values((rows,), dtype, 1), values((rows,), dtype, 2)]
    check(kernel, arrays, [(rows,)], isa, 0, 0)


@pytest.mark.parametrize("isa", ISAS)
def test_a_fold_of_constants_reads_nothing(isa: str) -> None:
    g = graph([], lambda b: [b.emit(MAX, b.full(2.5, (70,), dtypes.float32), axes=(0,))])
    kernel = RowKernel(g, (600,), (70,), (), (Write(Access((1, 0)), "store"),))
    check(kernel, [], [(600,)], isa, 0, 0)
    assert long_rows.cut(kernel, across=True) is None


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("shift", [0, 16])
def test_large_results_go_past_the_caches(
    shift: int, isa: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """shift: bytes by which memory misses the alignment that this needs."""
    harness.stream_from(1 << 12, shift, monkeypatch)
    for width, streams in ((160, True), (4112, True), (150, False)):
        g = graph([float_row(width)], lambda b, w=width: [softmax(b, 0, w), b.emit(RELU, 0)])
        whole = Access((width, 1))
        kernel = RowKernel(g, (40,), (width,), (whole,), (Write(whole, "store"),) * 2)
        assert style_of(kernel, target(isa)).stream == streams
        shapes = [(40, width), (40, width)]
        check(kernel, [values((40, width), dtypes.float32)], shapes, isa)
    assert not style_of(kernel._replace(outer=(2,)), target(isa)).stream


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("rows", [0, 1, 7, 500])
@pytest.mark.parametrize("width", WIDTHS)
def test_column_sums(rows: int, width: int, isa: str) -> None:
    g = graph([float_row(width)], lambda b: [b.emit(MUL, 0, 0)])
    kernel = RowKernel(
        g, (rows,), (width,), (Access((width, 1)),), (Write(Access((0, 1)), "accumulate"),)
    )
    # Sums of `rows` terms: roundoff 2^-24 for each.
    check(kernel, [values((rows, width), dtypes.float32)], [(width,)], isa, 5e-5, 5e-5)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("vectors", "turns"), [(1, 1), (3, 0), (4, 1), (8, 2), (12, 0)])
def test_rows_of_a_few_vectors_need_no_loop(vectors: int, turns: int, isa: str) -> None:
    """Nine images of a channel, of so many vectors each, less their mean."""
    images, channels, width = 9, 6, vectors * target(isa).lanes(4)

    def write(build: Builder) -> list[int]:
        share = build.full(1 / (images * width), (1,), dtypes.float32)
        mean = build.emit(MUL, build.emit(SUM, 0, axes=(0,)), share)
        return [build.emit(SUB, 0, build.broadcast(mean, (images * width,)))]

    g = graph([float_row(images * width)], write)
    place = Access((width, channels * width, 1))
    kernel = RowKernel(g, (channels,), (images, width), (place,), (Write(place, "store"),))
    shape = (images, channels, width)
    assert style_of(kernel, target(isa)).turns == turns
    check(kernel, [values(shape, dtypes.float32)], [shape], isa)


@pytest.mark.parametrize("isa", ISAS)
def test_long_rows_are_added_up_many_at_a_time(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of rows, as they are where sums are in registers."""
    rows, width = 700, 1030
    g = graph([float_row(width)], lambda b: [b.emit(MUL, 0, 0)])
    write = Write(Access((0, 1)), "accumulate")
    kernel = RowKernel(g, (rows,), (width,), (Access((width, 1)),), (write,))
    given = [values((rows, width), dtypes.float32)]
    monkeypatch.setattr(row_launches, "_MAPPED", 1 << 20)
    assert style_of(kernel, target(isa)).together > 4
    (many,) = check(kernel, given, [(width,)], isa, 5e-5, 5e-5)
    monkeypatch.setattr(row_launches, "_FAR", 1 << 20)
    assert style_of(kernel, target(isa)).form == "columns"
    (few,) = check(kernel, given, [(width,)], isa, 5e-5, 5e-5)
    np.testing.assert_array_equal(many, few)


@pytest.mark.parametrize("isa", ISAS)
def test_stores_and_sums_at_once(isa: str) -> None:
    """The shape of layer norm's gradient: a row result and two sums over rows."""
    for rows, width in [(5, 17), (300, 127)]:
        spec = float_row(width)

        def write(b: Builder, width: int = width) -> list[int]:
            total = b.emit(SUM, b.emit(MUL, 0, 0), axes=(0,))
            scale = b.broadcast(b.emit(RSQRT, total), (width,))
            normal = b.emit(MUL, 0, scale)
            return [normal, b.emit(MUL, normal, 1), b.emit(SUM, 1, axes=(0,))]

        whole = Access((width, 1))
        writes = (
            Write(whole, "store"),
            Write(Access((0, 1)), "accumulate"),
            Write(Access((0, 0)), "accumulate"),
        )
        kernel = RowKernel(graph([spec, spec], write), (rows,), (width,), (whole, whole), writes)
        arrays = [values((rows, width), dtypes.float32, s) for s in (1, 2)]
        # The total adds rows * width terms of about 1: roundoff of their square root.
        check(kernel, arrays, [(rows, width), (width,), (1,)], isa, 5e-5, 2e-3)


@pytest.mark.parametrize("isa", ISAS)
def test_small_integers_accumulate(isa: str) -> None:
    g = graph([Spec((17,), dtypes.bool_)], lambda b: [b.emit(CAST, 0, dtype=dtypes.int64)])
    read, write = Access((17, 1)), Write(Access((0, 1)), "accumulate")
    kernel = RowKernel(g, (40,), (17,), (read,), (write,))
    check(kernel, [values((40, 17), dtypes.bool_)], [(17,)], isa)


# -- several rows at once ---------------------------------------------------------------------


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("op", [SUM, MAX, ARGMAX], ids=lambda op: op.name)
def test_rows_from_memory_that_are_only_folded_are_walked_alone(
    op: Op, isa: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the bits of rows side by side; a fold with long ends where rows are long."""
    attrs: dict[str, Any] = {"axis": 0} if op is ARGMAX else {"axes": (0,)}
    rows, limit = 37, "_MAPPED" if op is ARGMAX else "_CACHED"
    for width, alone in ((160, True), (80, op is not ARGMAX)):
        g = graph([float_row(width)], lambda b: [b.emit(op, b.emit(MUL, 0, 0), **attrs)])
        write = Write(Access((1, 0)), "store")
        kernel = RowKernel(g, (rows,), (width,), (Access((width, 1)),), (write,))
        arrays = [values((rows * width,), dtypes.float32)]
        together = style_of(kernel, target(isa)).together
        (found,) = check(kernel, arrays, [(rows,)], isa)
        with monkeypatch.context() as patch:
            patch.setattr(row_launches, limit, 1 << 10)
            assert style_of(kernel, target(isa)).together == (1 if alone else together)
            (one,) = check(kernel, arrays, [(rows,)], isa)
        assert together > 1 or isa == "avx2"
        assert found.tobytes() == one.tobytes()


def weighted_softmax(b: Builder, width: int) -> list[int]:
    """Softmax times a row that is the same for all, and its sum."""
    y = b.emit(MUL, softmax(b, 0, width), 1)
    return [y, b.emit(SUM, y, axes=(0,))]


def check_together(
    kernel: RowKernel, shapes: Sequence[tuple[int, ...]], isa: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some rows are walked together, right, with the bits that each has alone."""
    assert style_of(kernel, target(isa)).together > 1
    width = kernel.width
    arrays = [values((kernel.rows * width,), dtypes.float32), values((width,), dtypes.float32, 1)]
    found = check(kernel, arrays, shapes, isa, 5e-5, 2e-4)
    monkeypatch.setattr(row_launches, "_TOGETHER", ())
    assert style_of(kernel, target(isa)).together == 1
    for one, alone in zip(found, check(kernel, arrays, shapes, isa, 5e-5, 2e-4), strict=True):
        assert one.tobytes() == alone.tobytes()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("count", [2, 4, 5, 41])
@pytest.mark.parametrize("width", [3, 10, 17, 31])
def test_short_rows_are_walked_together(
    width: int, count: int, isa: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    g = graph([float_row(width)] * 2, lambda b: weighted_softmax(b, width))
    whole, same, one = Access((width, 1)), Access((0, 1)), Access((1, 0))
    writes = (Write(whole, "store"), Write(one, "store"))
    kernel = RowKernel(g, (count,), (width,), (whole, same), writes)
    check_together(kernel, [(count, width), (count,)], isa, monkeypatch)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("count", [4, 7, 300])
def test_sums_over_rows_that_are_walked_together(
    count: int, isa: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    width = 19
    g = graph([float_row(width)] * 2, lambda b: weighted_softmax(b, width))
    whole, same = Access((width, 1)), Access((0, 1))
    writes = (Write(same, "accumulate"), Write(Access((0, 0)), "accumulate"))
    kernel = RowKernel(g, (count,), (width,), (whole, same), writes)
    check_together(kernel, [(width,), (1,)], isa, monkeypatch)


@pytest.mark.parametrize("isa", ISAS)
def test_rows_in_pieces_that_are_walked_together(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows of a batch norm: what a channel has in all images."""
    images, channels, places = 3, 9, 21
    width = images * places
    g = graph([float_row(width)] * 2, lambda b: weighted_softmax(b, width))
    whole = Access((places, channels * places, 1))
    writes = (Write(whole, "store"), Write(Access((1, 0, 0)), "store"))
    reads = (whole, Access((0, places, 1)))
    kernel = RowKernel(g, (channels,), (images, places), reads, writes)
    check_together(kernel, [(images, channels, places), (channels,)], isa, monkeypatch)


def test_folds_of_rows_in_pieces_do_not_wait_for_each_other() -> None:
    """As many sums are under way in each piece as in a row that is one piece."""
    counts = []
    for inner, strides in (((4096,), (4096, 1)), ((4, 1024), (4096, 1024, 1))):
        g = graph([float_row(4096)], lambda b: [b.emit(SUM, 0, axes=(0,))])
        write = Write(Access((1, *[0] * len(inner))), "store")
        kernel = RowKernel(g, (8,), inner, (Access(strides),), (write,))
        style = style_of(kernel, target("avx512"))
        text = emit_rows("k", target("avx512"), style).text()
        # Each of a loop's sums is added to by itself, in whole vectors.
        counts.append(len(re.findall(r"L\d+\.c\d+ = phi <16 x float>", text)))
    single, nested = counts
    assert single == 4 + 1  # the main loop's, and the tail's
    assert nested == 4 + single  # and those that go from piece to piece
