"""The code of row kernels: passes over a row, vectors along it or across neighbouring rows.

A reduction ends a pass: what follows it needs another walk over the row, which is still in cache.
Values of a row that several passes need are computed again if that is cheap, else kept in scratch.
`Style` (rows_style.py) holds all that the code depends on; extents, strides and offsets come at run
time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plait.core.codegen import folds, pointwise, vectors
from plait.core.codegen.rows_style import At, Lanes, Style
from plait.core.codegen.text import Function, spread_constant
from plait.core.ir.graph import Instruction
from plait.core.ir.op import Lowering

#: Ops that cost more than a trip to scratch.
_CHEAP = frozenset(
    ("add", "sub", "mul", "neg", "abs", "maximum", "minimum", "relu", "where", "cast", "broadcast",
     "full", "eq", "ne", "lt", "le", "gt", "ge", "and", "or", "xor", "not", "alias", "reshape")
)  # fmt: skip


#: Lines of memory that are asked for ahead of time, where that is done; bytes of a line.
_AHEAD = 16
_LINE = 64


class RowEmitter:
    """Writes one kernel. Arguments: outputs, inputs, then the numbers in the order of `numbers`."""

    def __init__(self, symbol: str, style: Style) -> None:
        self.f = Function(symbol)
        self.style = style
        #: Whether the code that is being written streams.
        self.streaming = False
        self.graph = style.graph
        self.count = len(self.graph.inputs)
        self.loops = style.outer + style.inner
        self.out = [self.f.argument(i) for i in range(len(self.graph.outputs))]
        first = len(self.graph.outputs)
        self.inputs = [self.f.argument(first + i) for i in range(self.count)]
        self._next = first + self.count
        self.extents = [self._number() for _ in range(self.loops)]
        #: Per turn of the unit loop: elements of a map's piece, or rows of a run.
        self.per_unit = self._number()
        self.room = self._number()
        self.read_numbers = [self._access_numbers(a) for a in style.reads]
        self.write_numbers = [self._access_numbers(a) for a in style.writes]
        self.levels = self._levels()
        self.kept: dict[int, int] = {}
        self._plan_scratch()
        self.scalars: dict[int, str] = {}
        self.spread: dict[int, str] = {}
        #: Values whose row is in scratch, and those that the present pass puts there.
        self.filled: set[int] = set()
        self.stored: set[int] = set()

    # -- arguments --------------------------------------------------------------------------------

    def _number(self) -> str:
        self._next += 1
        return self.f.argument(self._next - 1, "i64")

    def _access_numbers(self, access: Lanes) -> tuple[str, list[str], list[tuple[str, str]]]:
        offset = self._number()
        strides = [self._number() if s == "n" else s for s in access.strides]
        return offset, strides, [(self._number(), self._number()) for _ in access.guards]

    # -- what the graph needs ---------------------------------------------------------------------

    def made(self, value: int) -> Instruction:
        return self.graph.instructions[value - self.count]

    def is_full(self, value: int) -> bool:
        return self.graph.type_of(value).shape == (2,)

    def folds(self, value: int) -> bool:
        return value >= self.count and self.made(value).op.lowering is Lowering.REDUCE

    def _levels(self) -> list[int]:
        """How many passes over the row must have ended before each value can be computed."""
        levels = [0] * self.count
        for made in self.graph.instructions:
            level = max((levels[a] for a in made.args), default=0)
            levels.append(level + (made.op.lowering is Lowering.REDUCE))
        return levels

    def roots(self, turn: int) -> list[int]:
        """The full values that pass `turn` must compute."""
        last = max(self.levels, default=0)
        found = [
            made.args[0]
            for place, made in enumerate(self.graph.instructions)
            if made.op.lowering is Lowering.REDUCE and self.levels[self.count + place] == turn + 1
        ]
        if turn == last:
            found += [v for v in self.graph.outputs if self.is_full(v)]
        return found

    def _plan_scratch(self) -> None:
        """Keep costly values that a second pass needs."""
        seen: dict[int, int] = {}
        for turn in range(max(self.levels, default=0) + 1):
            stack = list(self.roots(turn))
            visited: set[int] = set()
            while stack:
                value = stack.pop()
                if value in visited or not self.is_full(value):
                    continue
                visited.add(value)
                if value >= self.count and self.made(value).op.name not in _CHEAP:
                    first = seen.setdefault(value, turn)
                    if first != turn:
                        self.kept.setdefault(value, len(self.kept))
                        continue
                if value >= self.count:
                    stack.extend(self.made(value).args)

    # -- values -----------------------------------------------------------------------------------

    @property
    def row_lanes(self) -> int:
        """Lanes of a value per row."""
        return self.style.lanes if self.style.across else 1

    @property
    def lane_loop(self) -> int:
        return self.style.outer - 1 if self.style.across else self.loops - 1

    def address(self, numbers: Any, indices: list[str]) -> str:
        """The element that an access reaches."""
        offset, strides, _ = numbers
        f = self.f
        place = offset
        for index, stride in zip(indices, strides):
            place = f.add(place, f.mul(index, stride))
        return place

    def load(self, number: int, at: At, lanes: int) -> str:
        """An input at a place."""
        f, access, numbers = self.f, self.style.reads[number], self.read_numbers[number]
        dtype = self.graph.inputs[number].dtype
        kept = vectors.memory_type(dtype)
        kind = vectors.register_type(dtype, lanes)
        step = access.strides[self.lane_loop] if lanes > 1 else "0"
        mask, inside = self._guarded(access, numbers[2], at, lanes)
        if mask == "never":
            return spread_constant(kind, access.fill)
        place = self.address(numbers, at.indices)
        if inside is not None:
            place = f.let(f"select i1 {inside}, i64 {place}, i64 0")
        pointer = f.at(self.inputs[number], place, kept)
        if self.style.ahead and lanes > 1 and step == "1" and self.loops > self.style.outer:
            self._ask_ahead(number, pointer, kept, lanes * dtype.itemsize)
        if lanes > 1 and step == "0":
            value = f.splat(kind, vectors.load(f, dtype, pointer, 1))
        elif lanes > 1 and step == "n":
            value = self._gather(dtype, pointer, numbers[1][self.lane_loop], lanes, mask or at.mask)
        else:
            value = vectors.load(f, dtype, pointer, lanes, mask or at.mask)
        fill = spread_constant(kind, access.fill)
        if mask is not None:
            value = f.let(f"select <{lanes} x i1> {mask}, {kind} {value}, {kind} {fill}")
        if inside is not None:
            value = f.let(f"select i1 {inside}, {kind} {value}, {kind} {fill}")
        return value

    def _ask_ahead(self, number: int, pointer: str, kept: str, size: int) -> None:
        """Ask for what the walk along the row reads some steps later."""
        f = self.f
        steps = max(_AHEAD * _LINE // size, 2)
        later = f.at(pointer, f.mul(self.read_numbers[number][1][-1], str(steps)), kept)
        for place in range(0, size, _LINE):
            f.prefetch(f.at(later, str(place), "i8"))

    def _guarded(
        self, access: Lanes, bounds: list, at: At, lanes: int
    ) -> tuple[str | None, str | None]:
        """(mask of lanes, condition of all) under which an access may touch memory."""
        f = self.f
        mask: str | None = None
        inside: str | None = None
        for loop, (low, high) in zip(access.guards, bounds):
            if loop < 0:
                return "never", None
            index = at.indices[loop]
            if lanes > 1 and loop == self.lane_loop:
                each = self._lane_indices(index, lanes)
                kind = f"<{lanes} x i64>"
                below = f.let(f"icmp sge {kind} {each}, {f.splat(kind, low)}")
                above = f.let(f"icmp slt {kind} {each}, {f.splat(kind, high)}")
                both = f.let(f"and <{lanes} x i1> {below}, {above}")
                mask = both if mask is None else f.let(f"and <{lanes} x i1> {mask}, {both}")
                if at.mask is not None:
                    mask = f.let(f"and <{lanes} x i1> {mask}, {at.mask}")
            else:
                below = f.let(f"icmp sge i64 {index}, {low}")
                above = f.let(f"icmp slt i64 {index}, {high}")
                both = f.let(f"and i1 {below}, {above}")
                inside = both if inside is None else f.let(f"and i1 {inside}, {both}")
        if inside is not None and mask is not None and lanes > 1:
            every = f.splat(f"<{lanes} x i1>", inside)
            mask = f.let(f"and <{lanes} x i1> {mask}, {every}")
        return mask, inside

    def _lane_indices(self, index: str, lanes: int) -> str:
        kind = f"<{lanes} x i64>"
        numbers = ", ".join(f"i64 {i}" for i in range(lanes))
        return self.f.let(f"add {kind} {self.f.splat(kind, index)}, <{numbers}>")

    def _gather(self, dtype: Any, pointer: str, stride: str, lanes: int, mask: str | None) -> str:
        """Elements a stride apart."""
        f, kept = self.f, vectors.memory_type(dtype)
        kind = f"<{lanes} x i64>"
        numbers = ", ".join(f"i64 {i}" for i in range(lanes))
        places = f.let(f"mul {kind} <{numbers}>, {f.splat(kind, stride)}")
        pointers = f.let(f"getelementptr {kept}, ptr {pointer}, {kind} {places}")
        wide = vectors.vector(kept, lanes)
        mask = mask or spread_constant(f"<{lanes} x i1>", 1)
        name = f"llvm.masked.gather.v{lanes}{_short(kept)}.v{lanes}p0"
        f.declare(f"declare {wide} @{name}(<{lanes} x ptr>, <{lanes} x i1>, {wide})")
        raw = f.let(
            f"call {wide} @{name}(<{lanes} x ptr> align {dtype.itemsize} {pointers}, "
            f"<{lanes} x i1> {mask}, {wide} zeroinitializer)"
        )
        return vectors.to_register(f, dtype, raw, lanes)

    def value(self, value: int, at: At, memo: dict[int, str]) -> str:
        """A value at a place: full ones in vectors, those per row from what is there."""
        if not self.is_full(value):
            return self.row_value(value)
        if value in memo:
            return memo[value]
        if value < self.count:
            found = self.load(value, at, self.style.lanes)
        elif value in self.kept and value in self.filled:
            found = self._from_scratch(value, at)
        else:
            made = self.made(value)
            if made.op.name == "broadcast":
                found = self.spread_of(made.args[0])
            else:
                operands = [self.value(a, at, memo) for a in made.args]
                found = self._op(made, operands, self.style.lanes)
            if value in self.kept:
                self._to_scratch(value, found, at)
        memo[value] = found
        return found

    def _op(self, made: Instruction, operands: list[str], lanes: int) -> str:
        kinds = [self.graph.type_of(a).dtype for a in made.args]
        return pointwise.emit_op(self.f, made.op, made.attrs, kinds, made.dtype, operands, lanes)

    def row_value(self, value: int) -> str:
        return self.scalars[value]

    def spread_of(self, value: int) -> str:
        """A value per row in every lane."""
        if self.style.across:
            return self.scalars[value]
        return self.spread[value]

    def compute_scalars(self, turn: int, at: At) -> None:
        """Values per row that can be computed before pass `turn`, and their spread forms."""
        for value in range(self.count + len(self.graph.instructions)):
            if self.is_full(value) or value in self.scalars or self.levels[value] > turn:
                continue
            if self.folds(value):
                continue
            if value < self.count:
                self.scalars[value] = self.load(value, at, self.row_lanes)
            else:
                made = self.made(value)
                operands = [self.scalars[a] for a in made.args]
                self.scalars[value] = self._op(made, operands, self.row_lanes)
        if not self.style.across:
            self._spread_scalars()

    def _spread_scalars(self) -> None:
        for made in self.graph.instructions:
            if made.op.name != "broadcast":
                continue
            source = made.args[0]
            if source in self.scalars and source not in self.spread:
                kind = vectors.register_type(made.dtype, self.style.lanes)
                self.spread[source] = self.f.splat(kind, self.scalars[source])

    # -- scratch ----------------------------------------------------------------------------------

    def _scratch_place(self, value: int, at: At) -> str:
        f = self.f
        width = str(self.style.lanes) if self.style.across else "1"
        start = f.mul(self.room, str(self.kept[value]))
        base = f.at("%scratch", start, "i8")
        dtype = self.graph.type_of(value).dtype
        return f.at(base, f.mul(at.linear, width), _scratch_type(dtype))

    def _to_scratch(self, value: int, found: str, at: At) -> None:
        self.stored.add(value)
        dtype = self.graph.type_of(value).dtype
        kind = vectors.vector(_scratch_type(dtype), self.style.lanes)
        # Whole vectors: a row's room is rounded up to them.
        if dtype.kind == "b":
            found = vectors.to_memory(self.f, dtype, found, self.style.lanes)
        self.f.store(kind, found, self._scratch_place(value, at), 4)

    def _from_scratch(self, value: int, at: At) -> str:
        dtype = self.graph.type_of(value).dtype
        kind = vectors.vector(_scratch_type(dtype), self.style.lanes)
        raw = self.f.load(kind, self._scratch_place(value, at), 4)
        return (
            vectors.to_register(self.f, dtype, raw, self.style.lanes) if dtype.kind == "b" else raw
        )

    # -- walks along a row ------------------------------------------------------------------------

    def walk(
        self,
        outer: list[str],
        row_mask: str | None,
        carried: list[tuple[str, str]],
        body: Callable[[At, list[str], int], list[str]],
        bounds: tuple[str, str] | None = None,
    ) -> list[list[str]]:
        """Run `body(place, accumulators, number of the set)` over a row.

        carried: (type, first value) of the accumulators. Gives the sets of accumulators, which are
        still to be combined. bounds: the part of the last loop to walk.
        """
        return self._nest(list(outer), row_mask, carried, body, self.style.outer, "0", bounds)

    def _nest(
        self,
        indices: list[str],
        row_mask: str | None,
        carried: list[tuple[str, str]],
        body: Callable[[At, list[str], int], list[str]],
        loop: int,
        linear: str,
        bounds: tuple[str, str] | None,
    ) -> list[list[str]]:
        f, last = self.f, loop == self.loops - 1
        if loop == self.loops:
            return [body(At(indices, row_mask, "0"), [first for _, first in carried], 0)]
        if not last:
            with f.loop("0", self.extents[loop], carried=carried) as turn:
                inside = [(kind, now) for (kind, _), now in zip(carried, turn.carried)]
                here = f.mul(f.add(linear, turn.index), self.extents[loop + 1])
                sets = self._nest(
                    [*indices, turn.index], row_mask, inside, body, loop + 1, here, bounds
                )
                assert len(sets) == 1, "nested rows have one set of accumulators"
                turn.next = sets[0]
            return [turn.results]
        start, stop = bounds or ("0", self.extents[loop])
        if self.style.across:
            with f.loop(start, stop, carried=carried) as turn:
                at = At([*indices, turn.index], row_mask, f.add(linear, turn.index))
                turn.next = body(at, turn.carried, 0)
            return [turn.results]
        return self._vectors(indices, carried, body, linear, start, stop)

    def _vectors(
        self,
        indices: list[str],
        carried: list[tuple[str, str]],
        body: Callable[[At, list[str], int], list[str]],
        linear: str,
        start: str,
        stop: str,
    ) -> list[list[str]]:
        """The last loop in vectors: a main part of whole ones, several a turn, and a tail."""
        f, lanes = self.f, self.style.lanes
        unroll = self.style.unroll if self.style.inner == 1 else min(self.style.unroll, 1)
        sets = [[first for _, first in carried]]
        place = start
        if unroll:
            step = unroll * lanes
            count = f.sub(stop, start)
            rest = f.let(f"urem i64 {count}, {step}")
            main = f.sub(stop, rest)
            every = [pair for _ in range(unroll) for pair in carried]
            with f.loop(start, main, str(step), carried=every) as turn:
                following: list[str] = []
                for number in range(unroll):
                    held = turn.carried[number * len(carried) : (number + 1) * len(carried)]
                    index = f.add(turn.index, str(number * lanes))
                    at = At([*indices, index], None, f.add(linear, index))
                    following += body(at, held, number)
                turn.next = following
            n = len(carried)
            sets = [turn.results[i * n : (i + 1) * n] for i in range(unroll)]
            place = main
        kinds = [kind for kind, _ in carried]
        with f.loop(place, stop, str(lanes), carried=list(zip(kinds, sets[0]))) as turn:
            mask = f.tail_mask(lanes, f.sub(stop, turn.index))
            at = At([*indices, turn.index], mask, f.add(linear, turn.index))
            turn.next = body(at, turn.carried, 0)
        sets[0] = turn.results
        return sets

    # -- passes -----------------------------------------------------------------------------------

    def row(self, outer: list[str], row_mask: str | None, bounds: Any = None) -> None:
        """All passes over one row (or over neighbouring ones), and what they store."""
        self.scalars, self.spread = {}, {}
        self.filled, self.stored = set(), set()
        start = At([*outer, *["0"] * self.style.inner], row_mask, "0")
        last = max(self.levels, default=0)
        for turn in range(last):
            self.compute_scalars(turn, start)
            self._fold_pass(turn, outer, row_mask)
            self.filled |= self.stored
        self.compute_scalars(last, start)
        self._store_pass(outer, row_mask, start, bounds)

    def _fold_pass(self, turn: int, outer: list[str], row_mask: str | None) -> None:
        wanted = [
            self.count + place
            for place in range(len(self.graph.instructions))
            if self.folds(self.count + place) and self.levels[self.count + place] == turn + 1
        ]
        kinds = [self._fold_of(value) for value in wanted]
        carried = [pair for fold in kinds for pair in fold.start(self.style.lanes)]

        def body(at: At, held: list[str], number: int) -> list[str]:
            memo: dict[int, str] = {}
            following: list[str] = []
            for value, fold in zip(wanted, kinds):
                x = self.value(self.made(value).args[0], at, memo)
                mine = held[len(following) : len(following) + fold.width]
                mask = None if self.style.across else at.mask
                following += fold.add(self.f, mine, x, at.linear, mask, self.style.lanes)
            return following

        sets = self.walk(outer, row_mask, carried, body)
        place = 0
        for value, fold in zip(wanted, kinds):
            parts = [held[place : place + fold.width] for held in sets]
            place += fold.width
            whole = parts[0]
            for part in parts[1:]:
                whole = fold.combine(self.f, whole, part, self.style.lanes)
            if not self.style.across:
                whole = fold.across_lanes(self.f, whole, self.style.lanes)
            found = fold.result(self.f, whole, self.row_lanes)
            dtype = self.graph.type_of(value).dtype
            self.scalars[value] = vectors.rounded(self.f, dtype, found, self.row_lanes)

    def _fold_of(self, value: int) -> folds.Fold:
        made = self.made(value)
        return folds.fold_of(
            made.op.name, self.graph.type_of(made.args[0]).dtype, self.style.across
        )

    def _store_pass(self, outer: list[str], row_mask: str | None, start: At, bounds: Any) -> None:
        for number, value in enumerate(self.graph.outputs):
            if not self.is_full(value):
                self._put(number, self.scalars[value], start, self.row_lanes)
        full = [n for n, v in enumerate(self.graph.outputs) if self.is_full(v)]
        if not full:
            return

        def body(at: At, held: list[str], number: int) -> list[str]:
            memo: dict[int, str] = {}
            # All values before the first store: an output may lie in the memory of an input that
            # only another one reads.
            found = [self.value(self.graph.outputs[output], at, memo) for output in full]
            for output, x in zip(full, found):
                self._put(output, x, at, self.style.lanes)
            return []

        self.walk(outer, row_mask, [], body, bounds)

    def _put(self, number: int, value: str, at: At, lanes: int) -> None:
        """Store an output, or add it to the sums of this unit's run of rows."""
        f = self.f
        dtype = self.graph.type_of(self.graph.outputs[number]).dtype
        if self.style.modes[number] == "accumulate":
            self._accumulate(number, value, at, lanes)
            return
        access, numbers = self.style.writes[number], self.write_numbers[number]
        kept = vectors.memory_type(dtype)
        pointer = f.at(self.out[number], self.address(numbers, at.indices), kept)
        step = access.strides[self.lane_loop] if lanes > 1 else "1"
        if step == "1":
            past = self.streaming and lanes > 1 and at.mask is None
            mask = at.mask if lanes > 1 else None
            vectors.store(f, dtype, value, pointer, lanes, mask, past_caches=past)
        else:
            stride = numbers[1][self.lane_loop]
            self._scatter(dtype, value, pointer, stride, lanes, at.mask)

    def _scatter(
        self, dtype: Any, value: str, pointer: str, stride: str, lanes: int, mask: str | None
    ) -> None:
        f, kept = self.f, vectors.memory_type(dtype)
        raw = vectors.to_memory(f, dtype, value, lanes)
        kind = f"<{lanes} x i64>"
        numbers = ", ".join(f"i64 {i}" for i in range(lanes))
        places = f.let(f"mul {kind} <{numbers}>, {f.splat(kind, stride)}")
        pointers = f.let(f"getelementptr {kept}, ptr {pointer}, {kind} {places}")
        wide = vectors.vector(kept, lanes)
        mask = mask or spread_constant(f"<{lanes} x i1>", 1)
        name = f"llvm.masked.scatter.v{lanes}{_short(kept)}.v{lanes}p0"
        f.declare(f"declare void @{name}({wide}, <{lanes} x ptr>, <{lanes} x i1>)")
        f.line(
            f"call void @{name}({wide} {raw}, <{lanes} x ptr> align {dtype.itemsize} {pointers}, "
            f"<{lanes} x i1> {mask})"
        )

    # -- sums over rows ---------------------------------------------------------------------------

    def partial(self, number: int, unit: str) -> str:
        """The address of a unit's own sums of an output."""
        f = self.f
        wide = _sum_type(self.graph.type_of(self.graph.outputs[number]).dtype)
        width = "1"
        if self.is_full(self.graph.outputs[number]):
            for extent in self.extents[self.style.outer :]:
                width = f.mul(width, extent)
        return f.at(self.out[number], f.mul(unit, width), wide)

    def _accumulate(self, number: int, value: str, at: At, lanes: int) -> None:
        f = self.f
        wide = _sum_type(self.graph.type_of(self.graph.outputs[number]).dtype)
        pointer = f.at(self.sums[number], at.linear if lanes > 1 else "0", wide)
        kind = vectors.vector(wide, lanes)
        size = 8 if wide in ("double", "i64") else 4
        masked = lanes > 1 and at.mask is not None
        if masked:
            old = f.masked_load(wide, lanes, pointer, str(at.mask), size)
        else:
            old = f.load(kind, pointer, size)
        word = "fadd" if wide in ("float", "double") else "add"
        new = f.let(f"{word} {kind} {old}, {value}")
        if masked:
            f.masked_store(wide, lanes, new, pointer, str(at.mask), size)
        else:
            f.store(kind, new, pointer, size)

    def clear_sums(self, unit: str) -> None:
        """Start the sums of a unit at zero."""
        f = self.f
        self.sums = {}
        for number, mode in enumerate(self.style.modes):
            if mode != "accumulate":
                continue
            self.sums[number] = self.partial(number, unit)
            wide = _sum_type(self.graph.type_of(self.graph.outputs[number]).dtype)
            width = "1"
            if self.is_full(self.graph.outputs[number]):
                for extent in self.extents[self.style.outer :]:
                    width = f.mul(width, extent)
            with f.loop("0", width) as turn:
                size = 8 if wide in ("double", "i64") else 4
                f.store(
                    wide, spread_constant(wide, 0), f.at(self.sums[number], turn.index, wide), size
                )


def _scratch_type(dtype: Any) -> str:
    """The type of a value in scratch: as in registers, but for bool."""
    return "i8" if dtype.kind == "b" else vectors.register_type(dtype, 1)


def _sum_type(dtype: Any) -> str:
    """The type in which values are added up."""
    return vectors.register_type(dtype, 1)


def _short(element: str) -> str:
    return {"float": "f32", "double": "f64"}.get(element, element)
