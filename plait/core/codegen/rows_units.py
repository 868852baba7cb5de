"""What a unit of a row kernel is: a piece of a row, a row, neighbouring rows, or a run of rows."""

from __future__ import annotations

from plait.core.codegen import vectors
from plait.core.codegen.rows_blocks import Block
from plait.core.codegen.rows_emit import RowEmitter
from plait.core.codegen.rows_style import Row, Style
from plait.core.codegen.text import Function, spread_constant
from plait.core.llvm.target import Target


def emit_rows(symbol: str, target: Target, style: Style) -> Function:
    """The function of a row kernel."""
    e = RowEmitter(symbol, style)
    e.f.wide = target.wide
    if style.stream:
        # Whose memory it is is not known: others' may begin anywhere.
        aligned = _aligned(e)
        with e.f.when(aligned):
            e.streaming = True
            _units(e)
            e.f.store_fence()
            e.streaming = False
        with e.f.when(e.f.let(f"xor i1 {aligned}, true")):
            _units(e)
    else:
        _units(e)
    e.f.ret()
    return e.f


def _units(e: RowEmitter) -> None:
    with e.f.loop("%begin", "%end") as unit:
        _FORMS[e.style.form](e, unit.index)


def _aligned(e: RowEmitter) -> str:
    """Whether all results begin at a multiple of a vector."""
    f, bits = e.f, "0"
    for pointer in e.out:
        bits = f.let(f"or i64 {bits}, {f.let(f'ptrtoint ptr {pointer} to i64')}")
    return f.let(f"icmp eq i64 {f.let(f'and i64 {bits}, {vectors.WIDEST - 1}')}, 0")


def _indices(e: RowEmitter, row: str, loops: int) -> list[str]:
    """The indices of the outer loops of a row by its number."""
    found: list[str] = []
    for extent in reversed(e.extents[1:loops]):
        found.append(e.f.rem(row, extent))
        row = e.f.div(row, extent)
    return [row, *reversed(found)][-loops:] if loops else []


def _blocks(e: RowEmitter, count: str, size: str) -> str:
    """How many blocks of a size cover a count."""
    f = e.f
    return f.div(f.sub(f.add(count, size), "1"), size)


def _map(e: RowEmitter, unit: str) -> None:
    f = e.f
    if not e.loops:
        e.rows([[]])
        return
    width = e.extents[-1]
    pieces = _blocks(e, width, e.per_unit)
    start = f.mul(f.let(f"urem i64 {unit}, {pieces}"), e.per_unit)
    stop = f.least(f.add(start, e.per_unit), width)
    row = f.let(f"udiv i64 {unit}, {pieces}")
    e.rows([_indices(e, row, e.style.outer)], None, (start, stop))


def _rows(e: RowEmitter, unit: str) -> None:
    f, style = e.f, e.style
    if not style.across:
        first = f.mul(unit, str(style.together))
        numbers = [f.add(first, str(i)) for i in range(style.together)]
        if style.together > 1:
            # Some at the end are the last row once more, which gets the same values again.
            last = f.sub(_row_count(e), "1")
            numbers = [f.least(number, last) for number in numbers]
        e.rows([_indices(e, number, style.outer) for number in numbers])
        return
    width = e.extents[style.outer - 1]
    if style.blocks:
        blocks = _blocks(e, width, e.per_unit)
        start = f.mul(f.rem(unit, blocks), e.per_unit)
        stop = f.least(f.add(start, e.per_unit), width)
        Block(e, _indices(e, f.div(unit, blocks), style.outer - 1), start, stop).emit()
        return
    blocks = _blocks(e, width, str(style.lanes))
    index = f.mul(f.let(f"urem i64 {unit}, {blocks}"), str(style.lanes))
    rest = f.let(f"udiv i64 {unit}, {blocks}")
    mask = f.tail_mask(style.lanes, f.sub(width, index))
    e.rows([[*_indices(e, rest, style.outer - 1), index]], mask)


def _row_count(e: RowEmitter) -> str:
    """How many rows there are."""
    rows = "1"
    for extent in e.extents[: e.style.outer]:
        rows = e.f.mul(rows, extent)
    return rows


def _run(e: RowEmitter, unit: str) -> tuple[str, str]:
    """The rows of a unit: [start, stop)."""
    f = e.f
    start = f.mul(unit, e.per_unit)
    return start, f.least(f.add(start, e.per_unit), _row_count(e))


def _mixed(e: RowEmitter, unit: str) -> None:
    start, stop = _run(e, unit)
    e.clear_sums(unit)
    f, together = e.f, e.style.together
    even = start
    if together > 1:
        even = f.sub(stop, f.rem(f.sub(stop, start), str(together)))
        with f.loop(start, even, str(together)) as row:
            numbers = [f.add(row.index, str(i)) for i in range(together)]
            e.rows([_indices(e, number, e.style.outer) for number in numbers])
    with f.loop(even, stop) as row:
        e.rows([_indices(e, row.index, e.style.outer)])


def _columns(e: RowEmitter, unit: str) -> None:
    """Sums over rows of a block of columns at a time, in registers."""
    f, lanes = e.f, e.style.lanes
    start, stop = _run(e, unit)
    width = e.extents[-1]
    together = max(1, e.style.unroll)
    step = str(together * lanes)
    main = f.sub(width, f.let(f"urem i64 {width}, {step}")) if e.style.unroll else "0"
    if e.style.unroll:
        with f.loop("0", main, step) as block:
            _column_block(e, unit, start, stop, block.index, together, None)
    with f.loop(main, width, str(lanes)) as block:
        mask = f.tail_mask(lanes, f.sub(width, block.index))
        _column_block(e, unit, start, stop, block.index, 1, mask)


def _column_block(
    e: RowEmitter, unit: str, start: str, stop: str, column: str, together: int, mask: str | None
) -> None:
    f, lanes, outputs = e.f, e.style.lanes, e.graph.outputs
    kinds = [vectors.register_type(e.graph.type_of(v).dtype, lanes) for v in outputs]
    zeros = [(kind, spread_constant(kind, 0)) for _ in range(together) for kind in kinds]
    with f.loop(start, stop, carried=zeros) as row:
        rows = [Row(_indices(e, row.index, e.style.outer))]
        e.compute_scalars(0, e.places(rows, ["0"], None, "0")[0])
        following: list[str] = []
        for number in range(together):
            index = f.add(column, str(number * lanes))
            (at,) = e.places(rows, [index], mask, index)
            for value, kind in zip(outputs, kinds):
                word = "fadd" if "float" in kind or "double" in kind else "add"
                held = row.carried[len(following)]
                x = e.value(value, at)
                following.append(f.let(f"{word} {kind} {held}, {x}"))
        row.next = following
    for place, total in enumerate(row.results):
        number, output = divmod(place, len(outputs))
        dtype = e.graph.type_of(outputs[output]).dtype
        wide = vectors.register_type(dtype, 1)
        pointer = f.at(e.partial(output, unit), f.add(column, str(number * lanes)), wide)
        size = 8 if wide in ("double", "i64") else 4
        if mask is None:
            f.store(vectors.vector(wide, lanes), total, pointer, size)
        else:
            f.masked_store(wide, lanes, total, pointer, mask, size)


_FORMS = {"map": _map, "rows": _rows, "mixed": _mixed, "columns": _columns}
