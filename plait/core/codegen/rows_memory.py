"""How row kernels reach memory: what they are given, loads and stores, sums over rows."""

from __future__ import annotations

from typing import Any

from plait.core.codegen import vectors
from plait.core.codegen.copies import memory_zero
from plait.core.codegen.rows_style import At, Lanes, Style
from plait.core.codegen.text import Function, spread_constant

#: Lines of memory that are asked for ahead of time, where that is done; bytes of a line.
_AHEAD = 16
_LINE = 64


class RowMemory:
    """The arguments of one kernel: outputs, inputs, then the numbers in the order of `numbers`."""

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
        #: Indices times strides that are there already, ahead of the walk that uses them.
        self._products: dict[tuple[str, str], str] = {}
        #: The memory of a unit's own sums, by output.
        self.sums: dict[int, str] = {}

    def _number(self) -> str:
        self._next += 1
        return self.f.argument(self._next - 1, "i64")

    def _access_numbers(self, access: Lanes) -> tuple[str, list[str], list[tuple[str, str]]]:
        offset = self._number()
        strides = [self._number() if s == "n" else s for s in access.strides]
        return offset, strides, [(self._number(), self._number()) for _ in access.guards]

    def is_full(self, value: int) -> bool:
        return self.graph.type_of(value).shape == (2,)

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
            product = self._products.get((index, stride))
            place = f.add(place, f.mul(index, stride) if product is None else product)
        return place

    def multiply_once(self, loop: int, index: str) -> None:
        """Multiply the index of a loop by its strides here, not in the loops that follow."""
        for _, strides, _ in (*self.read_numbers, *self.write_numbers):
            pair = index, strides[loop]
            if pair not in self._products:
                self._products[pair] = self.f.mul(*pair)

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

    def _apart(self, kept: str, pointer: str, stride: str, lanes: int) -> str:
        """A vector of addresses, a stride apart."""
        f, kind = self.f, f"<{lanes} x i64>"
        numbers = ", ".join(f"i64 {i}" for i in range(lanes))
        places = f.let(f"mul {kind} <{numbers}>, {f.splat(kind, stride)}")
        return f.let(f"getelementptr {kept}, ptr {pointer}, {kind} {places}")

    def _gather(self, dtype: Any, pointer: str, stride: str, lanes: int, mask: str | None) -> str:
        """Elements a stride apart."""
        f, kept = self.f, vectors.memory_type(dtype)
        pointers = self._apart(kept, pointer, stride, lanes)
        wide = vectors.vector(kept, lanes)
        mask = mask or spread_constant(f"<{lanes} x i1>", 1)
        name = f"llvm.masked.gather.v{lanes}{_short(kept)}.v{lanes}p0"
        f.declare(f"declare {wide} @{name}(<{lanes} x ptr>, <{lanes} x i1>, {wide})")
        raw = f.let(
            f"call {wide} @{name}(<{lanes} x ptr> align {dtype.itemsize} {pointers}, "
            f"<{lanes} x i1> {mask}, {wide} zeroinitializer)"
        )
        return vectors.to_register(f, dtype, raw, lanes)

    def store(self, number: int, value: str, at: At, lanes: int) -> None:
        """Store an output at a place."""
        f = self.f
        dtype = self.graph.type_of(self.graph.outputs[number]).dtype
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
        pointers = self._apart(kept, pointer, stride, lanes)
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

    def accumulate(self, number: int, values: list[str], at: At, lanes: int) -> None:
        """Add an output of the rows that are walked together, one after another, to the sums of
        this unit's run of rows."""
        f = self.f
        wide = _sum_type(self.graph.type_of(self.graph.outputs[number]).dtype)
        pointer = f.at(self.sums[number], at.linear if lanes > 1 else "0", wide)
        kind = vectors.vector(wide, lanes)
        size = 8 if wide in ("double", "i64") else 4
        masked = lanes > 1 and at.mask is not None
        if masked:
            total = f.masked_load(wide, lanes, pointer, str(at.mask), size)
        else:
            total = f.load(kind, pointer, size)
        word = "fadd" if wide in ("float", "double") else "add"
        for value in values:
            total = f.let(f"{word} {kind} {total}, {value}")
        if masked:
            f.masked_store(wide, lanes, total, pointer, str(at.mask), size)
        else:
            f.store(kind, total, pointer, size)

    def clear_sums(self, unit: str) -> None:
        """Start the sums of a unit at zero."""
        f = self.f
        for number, mode in enumerate(self.style.modes):
            if mode != "accumulate":
                continue
            self.sums[number] = self.partial(number, unit)
            wide = _sum_type(self.graph.type_of(self.graph.outputs[number]).dtype)
            width = "1"
            if self.is_full(self.graph.outputs[number]):
                for extent in self.extents[self.style.outer :]:
                    width = f.mul(width, extent)
            memory_zero(f, self.sums[number], f.mul(width, str(vectors.bytes_of(wide))))


def _sum_type(dtype: Any) -> str:
    """The type in which values are added up."""
    return vectors.register_type(dtype, 1)


def _short(element: str) -> str:
    return {"float": "f32", "double": "f64"}.get(element, element)
