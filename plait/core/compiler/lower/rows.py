"""Row kernels as launches: which form they take, and how their work is cut into units."""

from __future__ import annotations

from collections.abc import Sequence

from plait.core.codegen import copies
from plait.core.codegen.access import Access
from plait.core.codegen.kernel import Kernel, Launch
from plait.core.codegen.rows import RowKernel, Write, canonical, with_width
from plait.core.codegen.rows_blocks import held_bytes
from plait.core.codegen.rows_emit import RowEmitter
from plait.core.codegen.rows_style import Lanes, Style
from plait.core.codegen.rows_units import emit_rows
from plait.core.compiler.lower.long_rows import Cut, cut
from plait.core.compiler.plan import Buffer, Plan
from plait.core.compiler.rewrite import Builder
from plait.core.ir import dtypes
from plait.core.ir.derived import as_one
from plait.core.ir.extents import varies
from plait.core.ir.graph import Graph
from plait.core.ir.node import Spec
from plait.core.ir.op import Lowering
from plait.core.ir.text import to_text
from plait.core.llvm.target import Target
from plait.core.ops.elementwise import CAST
from plait.core.ops.reduce import SUM

#: Elements of a row that one unit of a map takes: some microseconds of work, so that a unit is
#: worth handing to a thread and a phase can be shared evenly.
_PIECE = 4096
#: Elements that a run of rows sums up at least, and the most runs (partial sums) of a kernel.
_RUN_ELEMENTS = 1 << 14
_MOST_RUNS = 16
#: Ops in a row graph beyond which vectors are not computed side by side: registers run out.
_MANY_OPS = 24
#: Of kernels whose lanes are rows: dtypes, ops beside folds, how many ops, and units that are to be
#: left, where several registers of rows are walked together.
_WIDE = frozenset(("float32", "float64", "int32", "int64"))
_QUICK = frozenset(("add", "sub", "mul", "div", "neg", "abs", "relu", "broadcast", "full", "cast"))
_FEW_OPS = 10
_FEW_UNITS = 8
_CACHED = 2 << 20
#: Rows that are walked together, and bytes of what they read, at most: of the last loop, whose end
#: is what is waited for, and where sums are kept in memory; of all.
_TOGETHER = (4, 2)
_SHORT, _SUMMED, _NEAR = 2 << 10, 8 << 10, 16 << 10
#: Bytes of rows that are walked alone where memory is far and their ends are long, at least.
_LONG = 512
#: Rows that are added to sums in memory at once, where they are long.
_FAR_ROWS = 16
#: Of kernels that do so: ops, and elements of a row, at most.
_SIMPLE_OPS, _SUMS = 6, 1 << 14
#: Bytes whose pages the processor knows, about (3072 of 4 KB on Zen 4).
_MAPPED = 12 << 20
#: Bytes of accumulators of a block of neighbouring rows, and blocks that there are to be at least.
#: Wide blocks in the second-level cache are faster than more of them in the first.
_HELD, _FEW_BLOCKS = 64 << 10, 4
#: Turns of the loop over vectors that are written one after another, at most.
_FEW_TURNS = 2
#: Places that 31 bits hold: the last one tells them from those of nan.
_PLACES = 1 << 31
#: Elements between two steps along a row of which the second is asked for ahead of time.
_FAR = 1 << 10


def lower_rows(
    kernel: RowKernel, outputs: Sequence[Buffer], inputs: Sequence[Buffer], plan: Plan
) -> bool:
    """Add the launches of a row kernel; outputs and inputs as its writes and reads name them."""
    kernel = canonical(kernel)
    pieces = cut(kernel, _prefers_across(kernel))
    if pieces is not None:
        return _lower_pieces(pieces, outputs, inputs, plan)
    style = style_of(kernel, plan.target)
    if not kernel.accumulates:
        units, per_unit = _units(kernel, style)
        _launch(kernel, style, outputs, inputs, plan, units, per_unit)
        return True
    runs, per_unit = _runs(kernel)
    targets = list(outputs)
    waiting: list[tuple[int, Buffer]] = []
    for number, write in enumerate(kernel.writes):
        if write.mode != "accumulate" or _adds_in_place(kernel, number, runs, outputs[number]):
            continue
        width = kernel.width if kernel.is_full(kernel.graph.outputs[number]) else 1
        dtype = outputs[number].dtype
        wide = dtypes.float32 if dtype.is_half else dtype
        targets[number] = plan.temporary((runs, width), wide)
        waiting.append((number, targets[number]))
    _launch(kernel, style, targets, inputs, plan, runs, per_unit)
    for number, partial in waiting:
        _combine(kernel, number, partial, outputs[number], plan)
    return True


def _lower_pieces(
    pieces: Cut, outputs: Sequence[Buffer], inputs: Sequence[Buffer], plan: Plan
) -> bool:
    """The launches of a long row: its pieces, then the fold of their results."""
    parts = [plan.temporary(pieces.partial.shape, pieces.partial.dtype)]
    lower_rows(pieces.main, parts, inputs, plan)
    if pieces.rest is not None:
        parts.append(plan.temporary((pieces.last.rows,), pieces.partial.dtype))
        lower_rows(pieces.rest, parts[1:], inputs, plan)
    shared = [inputs[i] for i in pieces.shared]
    return lower_rows(pieces.last, outputs, [*parts, *shared], plan)


def _adds_in_place(kernel: RowKernel, number: int, runs: int, output: Buffer) -> bool:
    """Whether the only run's sums are the output as it lies in memory."""
    full = kernel.is_full(kernel.graph.outputs[number])
    strides = kernel.writes[number].access.strides[len(kernel.outer) :]
    whole = not full or strides == _row_major(kernel.inner)
    return runs == 1 and whole and not output.dtype.is_half and output.dtype.itemsize >= 4


def _row_major(extents: tuple[int, ...]) -> tuple[int, ...]:
    strides, step = [], 1
    for extent in reversed(extents):
        strides.append(step)
        step *= extent
    return tuple(reversed(strides))


def _combine(kernel: RowKernel, number: int, partial: Buffer, output: Buffer, plan: Plan) -> None:
    """Add up the runs' sums in order."""
    runs, width = partial.shape
    full = kernel.is_full(kernel.graph.outputs[number])
    inner = kernel.inner if full else ()
    build = Builder([Spec((runs,), partial.dtype)])
    total = build.emit(SUM, 0, axes=(0,)) if runs > 1 else 0
    if output.dtype is not partial.dtype:
        total = build.emit(CAST, total, dtype=output.dtype)
    access = kernel.writes[number].access
    strides = access.strides[len(kernel.outer) :] if full else ()
    summing = RowKernel(
        build.finish([total]),
        inner,
        (runs,),
        (Access((*_row_major(inner), width)),),
        (Write(Access((*strides, 0), access.offset), "store"),),
    )
    lower_rows(summing, [output], [partial], plan)


# -- choices --------------------------------------------------------------------------------------


def _runs(kernel: RowKernel) -> tuple[int, int]:
    """(number of runs, rows of each): a function of the shape alone."""
    return as_one(_runs_of, kernel.rows, kernel.width)


def _runs_of(rows: int, width: int) -> tuple[int, int]:
    rows = max(1, rows)  # without rows, one run that only clears its sums
    wanted = max(1, min(_MOST_RUNS, rows * width // _RUN_ELEMENTS, rows))
    per_unit = -(-rows // wanted)
    return -(-rows // per_unit), per_unit


def _units(kernel: RowKernel, style: Style) -> tuple[int, int]:
    """(units, elements or rows of each) of a kernel that sums nothing across rows."""
    if style.form == "map":
        last = kernel.inner[-1] if kernel.inner else 1
        pieces = -(-last // _PIECE)
        return kernel.rows * pieces, as_one(min, last, _PIECE)
    if not style.across:
        return -(-kernel.rows // style.together), 1
    last = kernel.outer[-1]
    if style.blocks:
        block = _block(kernel, style)
        return kernel.rows // last * -(-last // block), block
    return kernel.rows // last * -(-last // style.lanes), 1


def _block(kernel: RowKernel, style: Style) -> int:
    """Rows of a block: whole vectors of them."""
    held = held_bytes(RowEmitter("planned", style))
    return as_one(_block_of, kernel.outer[-1], kernel.rows, style.lanes, held)


def _block_of(last: int, rows: int, lanes: int, held: int) -> int:
    vectors = -(-last // lanes)
    count = max(-(-vectors * lanes * held // _HELD), -(-_FEW_BLOCKS * last // rows))
    return lanes * -(-vectors // min(count, vectors))


def style_of(kernel: RowKernel, target: Target) -> Style:
    """All that the code of a (canonical) kernel depends on."""
    graph = with_width(kernel.graph, kernel.width, 2) if kernel.width > 1 else kernel.graph
    lanes, far = _lanes(graph, target), False
    folds = any(made.op.lowering is Lowering.REDUCE for made in graph.instructions)
    if not kernel.accumulates:
        form = "rows" if folds else "map"
    else:
        stores = any(w.mode == "store" for w in kernel.writes)
        narrow = any(not kernel.is_full(v) for v in kernel.graph.outputs)
        many = folds or stores or narrow or len(kernel.inner) != 1
        far = not many and _far_rows(kernel)
        form = "mixed" if many or far else "columns"
    across = form == "rows" and _prefers_across(kernel)
    unroll = 2 if len(graph.instructions) > _MANY_OPS else 4
    last = kernel.inner[-1] if kernel.inner else 1
    if not varies(last) and last < unroll * lanes:
        unroll = 1 if last >= lanes else 0
    together, blocks = 1, False
    if across:
        blocks = _by_blocks(kernel, lanes)
        unroll = 0
        lanes *= _side_by_side(kernel, lanes)
    elif far:
        together, unroll = _FAR_ROWS, 1
    elif form in ("rows", "mixed"):
        together = _together(kernel, form, unroll, target)
    return Style(
        graph,
        len(kernel.outer),
        len(kernel.inner),
        across,
        tuple([_lanes_of(a) for a in kernel.reads]),
        tuple([_lanes_of(w.access) for w in kernel.writes]),
        tuple([w.mode for w in kernel.writes]),
        lanes,
        unroll,
        form,
        _streams(kernel, lanes, form, target),
        across and not blocks and any(map(_jumps, kernel.reads)),
        together,
        blocks,
        _turns(last, unroll * lanes) if form in ("rows", "mixed") and _nested(kernel) else 0,
        _near(kernel),
    )


def _near(kernel: RowKernel) -> bool:
    """Whether there are places to be looked for, and 32 bits hold them."""
    seeks = any(made.op.name.startswith("arg") for made in kernel.graph.instructions)
    return seeks and kernel.width < _PLACES


def _nested(kernel: RowKernel) -> bool:
    """Whether the loop over vectors is inside another one along the row, and so begins often. Of
    other rows, code that knows their length would only be made again for the next length."""
    return len(kernel.inner) > 1


def _turns(extent: int, step: int) -> int:
    """How many turns of a loop there are, where these are so few that they need no loop."""
    if varies(extent) or not step or extent % step or extent // step > _FEW_TURNS:
        return 0
    return extent // step


def _by_blocks(kernel: RowKernel, lanes: int) -> bool:
    """Whether neighbouring rows are walked in blocks: where the steps along them are long, and
    what they read is more than the second-level cache holds; of several folds, which find it there
    again, more than the processor knows the pages of."""
    graph, lane = kernel.graph, len(kernel.outer) - 1
    every = [graph.type_of(v).dtype for v in range(len(graph.inputs) + len(graph.instructions))]
    folds = sum(made.op.lowering is Lowering.REDUCE for made in graph.instructions)
    # Large ones have kernels of their own, whether extents vary or not.
    size = kernel.rows * kernel.width * max(d.itemsize for d in every)
    if size <= (_CACHED // 2 if folds == 1 else _MAPPED) or len(kernel.inner) != 1:
        return False
    plain = all(d.kind != "b" for d in every) and not any(map(kernel.is_full, graph.outputs))
    apart = any(a.strides[lane] not in (0, 1) or a.guards for a in kernel.accesses)
    long = kernel.width >= 2 * _FAR_ROWS and kernel.outer[-1] >= 4 * lanes
    return plain and not apart and long and any(a.strides[-1] >= _FAR for a in kernel.reads)


def _together(kernel: RowKernel, form: str, unroll: int, target: Target) -> int:
    """How many rows are walked together.

    The end of a fold is a chain of steps that wait for each other, as long as the walk along a
    short row; those of several rows go side by side. Sums over rows are read and written once for
    all of them. Of longer rows the ends count for little, and more walks at once are more than the
    caches follow. How the sum of a row is added up does not depend on it.
    """
    graph = kernel.graph
    folds = any(made.op.lowering is Lowering.REDUCE for made in graph.instructions)
    if not folds or varies(*kernel.inner) or not kernel.outer or kernel.width == 1:
        return 1
    first = len(kernel.outer)
    moving = sum(
        spec.dtype.itemsize
        for number, (spec, access) in enumerate(zip(graph.inputs, kernel.reads, strict=True))
        if kernel.is_full(number) and any(access.strides[:first])
    )
    if form == "rows" and _reads_far(kernel, moving):
        return 1
    short = _SUMMED if form == "mixed" else _SHORT
    for count in _TOGETHER:
        fits = count * max(unroll, 1) <= target.registers // 4
        few = count * kernel.inner[-1] * moving <= short and count * kernel.width * moving <= _NEAR
        if fits and few:
            return count
    return 1


def _reads_far(kernel: RowKernel, moving: int) -> bool:
    """Whether rows, of so many bytes an element, come from beyond the second-level cache and are
    only folded: memory is what is waited for, and it is fetched ahead of one walk better than of
    several. A fold with long ends, or several, only where rows are long and memory is far."""
    if any(map(kernel.is_full, kernel.graph.outputs)):
        return False
    made = kernel.graph.instructions
    folds = [m.op.name for m in made if m.op.lowering is Lowering.REDUCE]
    size = kernel.rows * kernel.width * moving
    if len(folds) == 1 and not folds[0].startswith("arg"):
        return size > _CACHED
    return size > _MAPPED and kernel.width * moving >= _LONG


def _far_rows(kernel: RowKernel) -> bool:
    """Whether rows that are only added up are longer than what is fetched ahead by itself, and
    their sums no longer than what is soon read again."""
    simple = len(kernel.graph.instructions) <= _SIMPLE_OPS
    if not simple or kernel.rows * kernel.width * 4 <= _MAPPED:
        return False
    return _FAR <= kernel.width <= _SUMS and _runs(kernel)[1] >= 2 * _FAR_ROWS


def _jumps(access: Access) -> bool:
    """Whether steps along a row go further than the hardware fetches ahead, which is within a
    page only (`033`)."""
    step = access.strides[-1]
    return not varies(step) and step >= _FAR


def _side_by_side(kernel: RowKernel, lanes: int) -> int:
    """How many registers of neighbouring rows are walked together, as one wide vector.

    Each step of a fold waits for the one before, so that one register alone waits most of the time.
    Only of what the second-level cache holds (else memory is what is waited for, and one line at a
    time, asked for ahead, was measured to be faster), and of folds and cheap ops, of which the
    registers hold so many.
    """
    graph, lane = kernel.graph, len(kernel.outer) - 1
    every = [graph.type_of(v).dtype for v in range(len(graph.inputs) + len(graph.instructions))]
    plain = all(d.name in _WIDE for d in every) and len(graph.instructions) <= _FEW_OPS
    apart = any(access.strides[lane] not in (0, 1) or access.guards for access in kernel.accesses)
    slow = any(
        made.op.name not in _QUICK and made.op.lowering is not Lowering.REDUCE
        for made in graph.instructions
    )
    last = kernel.outer[-1]
    size = kernel.rows * kernel.width * max(d.itemsize for d in every)
    if not plain or apart or slow or size > _CACHED or varies(*kernel.extents):
        return 1
    most = 2 if any(d.itemsize > 4 for d in every) else 4
    while most > 1 and kernel.rows // last * (last // (lanes * most)) < _FEW_UNITS:
        most //= 2
    return most


def _streams(kernel: RowKernel, lanes: int, form: str, target: Target) -> bool:
    """Whether results go to memory past the caches, where they are larger than these.

    Each line of them is then not read first, and nothing that the caches hold is driven out.
    """
    if form not in ("map", "rows") or not target.triple.startswith("x86_64"):
        return False
    full = [
        write.access for write, v in zip(kernel.writes, kernel.graph.outputs) if kernel.is_full(v)
    ]
    kinds = {kernel.graph.type_of(v).dtype for v in kernel.graph.outputs if kernel.is_full(v)}
    size = kernel.rows * kernel.width * sum(d.itemsize for d in kinds)
    if size < copies.STREAM_BYTES or not full or not kernel.inner:
        return False
    whole = all(d.itemsize >= 4 and d.kind != "b" for d in kinds)
    even = all(
        access.strides[-1] == 1
        and not any(step % lanes for step in (access.offset, *access.strides[:-1]))
        for access in full
    )
    return whole and even


def _lanes(graph: Graph, target: Target) -> int:
    """Elements of a vector: as many as a register holds of the floats, or of the widest values."""
    every = [graph.type_of(v).dtype for v in range(len(graph.inputs) + len(graph.instructions))]
    floats = [max(4, d.itemsize) for d in every if d.kind == "f"]
    return target.lanes(min(floats) if floats else max(d.itemsize for d in every))


def _prefers_across(kernel: RowKernel) -> bool:
    """Whether neighbouring rows lie side by side in memory, and the elements of a row do not."""
    if not kernel.outer or not kernel.inner:
        return False
    inner, outer = len(kernel.outer + kernel.inner) - 1, len(kernel.outer) - 1

    def units(loop: int) -> int:
        return sum(a.strides[loop] == 1 for a in kernel.accesses)

    return units(inner) == 0 and units(outer) > 0 and kernel.outer[-1] > 1


def _lanes_of(access: Access) -> Lanes:
    strides = tuple(["n" if s not in (0, 1) else str(s) for s in access.strides])
    return Lanes(strides, tuple([g.loop for g in access.guards]), access.fill)


# -- the launch -----------------------------------------------------------------------------------


def _launch(
    kernel: RowKernel,
    style: Style,
    outputs: Sequence[Buffer],
    inputs: Sequence[Buffer],
    plan: Plan,
    units: int,
    per_unit: int,
) -> None:
    emitter = RowEmitter("planned", style)
    width = kernel.width if not style.across else kernel.width * style.lanes
    # Whole vectors are written to scratch, past the end of the row.
    room = -(-(width + 2 * style.lanes) * 8 // 64) * 64 if emitter.kept else 0
    held = per_unit * held_bytes(emitter) if style.blocks else 0
    numbers = [*kernel.extents, per_unit, room]
    for access in kernel.accesses:
        numbers.append(access.offset)
        numbers += [s for s in access.strides if s not in (0, 1)]
        for guard in access.guards:
            numbers += [guard.low, guard.high]
    key = (to_text(style.graph), *[getattr(style, name) for name in _KEYED])
    plan.launch(
        Launch(
            Kernel("rows", key, lambda symbol, target: emit_rows(symbol, target, style)),
            tuple(outputs),
            tuple(inputs),
            units=units,
            numbers=tuple(numbers),
            scratch=held or room * len(emitter.kept) * style.together,
            flops=kernel.rows * kernel.width * max(1, len(style.graph.instructions)),
            bytes=sum(b.nbytes for b in (*outputs, *inputs)),
            in_place=_in_place(kernel, style),
        )
    )


_KEYED = (
    *("outer", "inner", "across", "reads", "writes", "modes", "lanes", "unroll", "form"),
    *("stream", "ahead", "together", "blocks", "turns", "near"),
)


def _in_place(kernel: RowKernel, style: Style) -> tuple[tuple[int, int], ...]:
    """Output and input positions that may share memory: element by element at the same place."""
    if style.form != "map":
        return ()
    pairs: list[tuple[int, int]] = []
    for output, write in enumerate(kernel.writes):
        for number, read in enumerate(kernel.reads):
            same = read.strides == write.access.strides and read.offset == write.access.offset
            if same and not read.guards and 0 not in read.strides:
                pairs.append((output, number))
    return tuple(pairs)
