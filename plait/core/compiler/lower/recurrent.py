"""LSTM, GRU and Elman sequences: the weight is packed once, then every time step is one launch.

16-bit floats are widened before and rounded once after, as the reference does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from plait.core.codegen import recurrent, recurrent_grad, recurrent_pack
from plait.core.codegen.convert import conversion
from plait.core.codegen.kernel import Kernel, Launch
from plait.core.codegen.recurrent import Tile
from plait.core.codegen.tiles import heights_of
from plait.core.compiler.plan import Buffer, Plan
from plait.core.ir import dtypes
from plait.core.ir.derived import as_one
from plait.core.ir.dtypes import DType
from plait.core.ir.extents import varies
from plait.core.llvm.target import Target

#: A thread of its own pays from about this many flops.
_GRAIN_FLOPS = 1 << 20
#: Units of a step wanted at least, so that threads have work.
_UNITS = 8


class _Steps(NamedTuple):
    """The steps of a sequence in the order in which they run, and how one is cut into units."""

    tile: Tile
    order: tuple[int, ...]
    batch: int
    hidden: int
    depth: int

    @property
    def parts(self) -> int:
        """Tiles along the batch."""
        return -(-self.batch // self.tile.rows)

    @property
    def panels(self) -> int:
        """Panels of the packed weight."""
        return -(-self.hidden // self.tile.width)

    @property
    def group(self) -> int:
        """Tiles of a unit: all, but that there are units enough for some threads."""
        return as_one(_group_of, self.parts, self.panels)

    @property
    def units(self) -> int:
        return -(-self.parts // self.group) * self.panels

    @property
    def packed(self) -> tuple[int, ...]:
        """The shape of the packed weight."""
        return (self.panels, self.depth, self.tile.columns * self.tile.lanes)

    def numbers(self, *, steps: int, now: int, before: int, source: int) -> tuple[int, ...]:
        """The numbers of one launch; `now`, `before` and `source` are steps, -1 for none."""
        tall = self.batch - self.parts * (self.tile.rows - 1)
        rows = [step if step < 0 else step * self.batch for step in (now, before, source)]
        return (self.hidden, self.parts, self.group, tall, self.depth, steps, *rows, self.batch)

    def launch(
        self, kernel: Kernel, outputs: tuple[Any, ...], inputs: tuple[Any, ...], **numbers: Any
    ) -> Launch:
        """One step: its outputs hold earlier steps, which it reads where `again`."""
        tile = self.tile
        rows = self.group * tile.rows
        per_unit = 2 * rows * self.depth * tile.columns * tile.lanes
        again = numbers.pop("again")
        columns = self.hidden * (tile.columns if tile.gates else 1)
        return Launch(
            kernel,
            outputs,
            inputs,
            units=self.units,
            numbers=self.numbers(**numbers),
            grain=max(1, _GRAIN_FLOPS // max(1, per_unit)),
            scratch=rows * tile.columns * tile.lanes * tile.dtype.itemsize,
            flops=2 * self.batch * columns * self.depth,
            bytes=(2 * self.batch * self.depth + columns * self.depth) * tile.dtype.itemsize,
            also_reads=again,
        )


def _group_of(parts: int, panels: int) -> int:
    return max(1, -(-parts // -(-_UNITS // max(1, panels))))


def _tile(dtype: DType, target: Target, batch: int, hidden: int, gates: int) -> Tile:
    """A tile with as many accumulators as registers allow; `gates` 0: neighbouring columns.

    The rows are as even as can be: with 32 of them, at most 6 in a tile, tiles are of 6 or 5.
    Where the batch varies, tiles have the most rows, and the last what is left.
    """
    lanes = target.lanes(dtype.itemsize)
    columns = gates or _columns(-(-hidden // lanes), 4 if target.registers >= 32 else 2)
    together = 2 if gates == 4 and target.registers < 32 else columns
    # Registers beside the accumulators: a row of B, an element of A, and one to move values in.
    most = (target.registers - together - 2) // together
    heights: tuple[int, ...] = ()
    if varies(batch):
        rows, heights = most, heights_of(most)
    else:
        parts = max(1, -(-batch // most))
        rows = max(1, -(-batch // parts))
    width = lanes * (1 if gates else columns)
    chunk = max(16, target.l1_bytes * 2 // 3 // (columns * target.vector_bytes))
    ragged = hidden % width != 0
    return Tile(dtype, lanes, rows, columns, together, bool(gates), ragged, chunk, heights)


def _columns(vectors: int, most: int) -> int:
    """Vectors side by side in a tile: those that pad `vectors` least, of these the most."""
    vectors = max(1, vectors)
    offered = range(min(2, vectors), min(most, vectors) + 1)
    return min(offered, key=lambda n: (-(-vectors // n) * n, -n))


def _steps(shape: tuple[int, ...], plan: Plan, dtype: DType, gates: int, reverse: bool) -> _Steps:
    """The steps forward of results of shape (T, B, H)."""
    length, batch, hidden = shape
    order = range(length - 1, -1, -1) if reverse else range(length)
    tile = _tile(dtype, plan.target, batch, hidden, gates)
    return _Steps(tile, tuple(order), batch, hidden, hidden)


def _steps_back(
    shape: tuple[int, ...], plan: Plan, dtype: DType, gates: int, reverse: bool
) -> _Steps:
    """The steps back, whose contracted axis holds `gates` gates."""
    length, batch, hidden = shape
    order = range(length) if reverse else range(length - 1, -1, -1)
    tile = _tile(dtype, plan.target, batch, hidden, 0)
    return _Steps(tile, tuple(order), batch, hidden, gates * hidden)


def _covers(dtype: DType, epilogue: Any) -> bool:
    return dtype.name in ("float32", "float64") and epilogue is None


def _or_widened(lower: Callable[..., bool]) -> Callable[..., bool]:
    """`lower`, for the 16-bit floats too: on float32 temporaries."""

    def lower_any(made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Any = None) -> bool:
        if not inputs[0].dtype.is_half:
            return lower(made, inputs, outputs, plan, epilogue)
        wide_inputs = [plan.temporary(x.shape, dtypes.float32) for x in inputs]
        wide_outputs = [plan.temporary(y.shape, dtypes.float32) for y in outputs]
        inner = Plan(plan.target)
        if not lower(made, wide_inputs, wide_outputs, inner, epilogue):
            return False
        for source, wide in zip(inputs, wide_inputs):
            plan.launch(conversion(source, wide))
        for step in inner.steps:
            plan.launch(step)
        for wide, result in zip(wide_outputs, outputs):
            plan.launch(conversion(wide, result))
        return True

    return lower_any


def _pack(plan: Plan, steps: _Steps, kernel: Kernel, w: Buffer, numbers: tuple[int, ...]) -> Buffer:
    packed = plan.temporary(steps.packed, w.dtype)
    size = w.nbytes + packed.nbytes
    plan.launch(Launch(kernel, (packed,), (w,), units=steps.panels, numbers=numbers, bytes=size))
    return packed


def _forward(
    plan: Plan, steps: _Steps, kernel: Kernel, outputs: tuple[Any, ...], inputs: tuple[Any, ...]
) -> bool:
    for number, now in enumerate(steps.order):
        before = steps.order[number - 1] if number else -1
        plan.launch(
            steps.launch(
                kernel,
                outputs,
                inputs,
                again=number > 0,
                steps=steps.depth,
                now=now,
                before=before,
                source=before,
            )
        )
    return True


def lower_lstm(made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Any = None) -> bool:
    """`lstm_sequence`."""
    x, h0, c0, w = inputs
    if not _covers(w.dtype, epilogue):
        return False
    y, c, gates = outputs
    steps = _steps(y.shape, plan, w.dtype, 4, made.attrs["reverse"])
    packed = _pack(plan, steps, recurrent_pack.pack_rows(steps.tile), w, (steps.hidden,))
    kernel = recurrent.lstm_step(steps.tile)
    return _forward(plan, steps, kernel, (y, c, gates), (x, h0, c0, packed))


def lower_gru(made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Any = None) -> bool:
    """`gru_sequence`."""
    x, h0, w, *bias = inputs
    if not _covers(w.dtype, epilogue):
        return False
    y, gates = outputs
    steps = _steps(y.shape, plan, w.dtype, 3, made.attrs["reverse"])
    packed = _pack(plan, steps, recurrent_pack.pack_rows(steps.tile), w, (steps.hidden,))
    kernel = recurrent.gru_step(steps.tile, bool(bias))
    return _forward(plan, steps, kernel, (y, gates), (x, h0, packed, *bias))


def _back(
    plan: Plan, steps: _Steps, kernel: Kernel, outputs: tuple[Any, ...], inputs: tuple[Any, ...]
) -> None:
    for number, now in enumerate(steps.order):
        last = number == len(steps.order) - 1
        plan.launch(
            steps.launch(
                kernel,
                outputs,
                inputs,
                again=number > 0,
                steps=steps.depth if number else 0,
                now=now,
                before=-1 if last else steps.order[number + 1],
                source=steps.order[number - 1] if number else 0,
            )
        )


def _arrive(plan: Plan, steps: _Steps, dh0: Buffer, d: Buffer, packed: Buffer, waits: bool) -> bool:
    first = steps.order[-1]
    plan.launch(
        steps.launch(
            recurrent_grad.last_step_back(steps.tile, waits),
            (dh0,),
            (d, packed),
            again=waits,
            steps=steps.depth,
            now=first,
            before=-1,
            source=first,
        )
    )
    return True


def lower_lstm_grad(made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Any = None) -> bool:
    """`lstm_sequence_grad` without a gradient of the gates."""
    dy, dc, gates, cells, c0, w, *dgates = inputs
    if not _covers(w.dtype, epilogue) or dgates or dy.shape[0] == 0:
        return False
    dx, dh0, dc0 = outputs
    steps = _steps_back(dy.shape, plan, w.dtype, 4, made.attrs["reverse"])
    extents = (steps.depth, steps.hidden)
    packed = _pack(plan, steps, recurrent_pack.pack_columns(steps.tile), w, extents)
    kernel = recurrent_grad.lstm_step_back(steps.tile)
    _back(plan, steps, kernel, (dx, dc0), (dy, dc, gates, cells, c0, packed))
    return _arrive(plan, steps, dh0, dx, packed, waits=False)


def lower_gru_grad(made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Any = None) -> bool:
    """`gru_sequence_grad` without a gradient of the gates."""
    dy, y, gates, h0, w, *dgates = inputs
    if not _covers(w.dtype, epilogue) or dgates or dy.shape[0] == 0:
        return False
    dx, into_h, dh0 = outputs
    steps = _steps_back(dy.shape, plan, w.dtype, 3, made.attrs["reverse"])
    extents = (steps.depth, steps.hidden)
    packed = _pack(plan, steps, recurrent_pack.pack_columns(steps.tile), w, extents)
    kernel = recurrent_grad.gru_step_back(steps.tile)
    _back(plan, steps, kernel, (dx, into_h, dh0), (dy, y, gates, h0, packed))
    return _arrive(plan, steps, dh0, into_h, packed, waits=True)


def lower_elman(made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Any = None) -> bool:
    """`elman_sequence`."""
    x, h0, w = inputs
    if not _covers(w.dtype, epilogue):
        return False
    (y,) = outputs
    steps = _steps(y.shape, plan, w.dtype, 0, made.attrs["reverse"])
    packed = _pack(plan, steps, recurrent_pack.pack_rows(steps.tile), w, (steps.hidden,))
    kernel = recurrent.elman_step(steps.tile, made.attrs["relu"])
    return _forward(plan, steps, kernel, (y,), (x, h0, packed))


def lower_elman_grad(
    made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Any = None
) -> bool:
    """`elman_sequence_grad`."""
    dy, y, w = inputs
    if not _covers(w.dtype, epilogue) or dy.shape[0] == 0:
        return False
    dx, dh0 = outputs
    steps = _steps_back(dy.shape, plan, w.dtype, 1, made.attrs["reverse"])
    extents = (steps.depth, steps.hidden)
    packed = _pack(plan, steps, recurrent_pack.pack_columns(steps.tile), w, extents)
    kernel = recurrent_grad.elman_step_back(steps.tile, made.attrs["relu"])
    _back(plan, steps, kernel, (dx,), (dy, y, packed))
    return _arrive(plan, steps, dh0, dx, packed, waits=False)


LOWERINGS = {
    "elman_sequence": _or_widened(lower_elman),
    "elman_sequence_grad": _or_widened(lower_elman_grad),
    "lstm_sequence": _or_widened(lower_lstm),
    "lstm_sequence_grad": _or_widened(lower_lstm_grad),
    "gru_sequence": _or_widened(lower_gru),
    "gru_sequence_grad": _or_widened(lower_gru_grad),
}
