"""Pooling kernels: channels along the lanes, windows or their transposes as loops.

Forward kernels go over the windows of a result row; transposes over the elements of an input row,
each of which gathers from the windows that it lies in, so that nothing is written twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from plait.core.codegen import vectors
from plait.core.codegen.kernel import Kernel
from plait.core.codegen.text import Function, spread_constant
from plait.core.ir.dtypes import BY_NAME, DType
from plait.core.llvm.target import Target

#: Windows of so many places that never leave the image are written out.
SHORT = 9

Ints = tuple[int, ...]


class Pool(NamedTuple):
    """The structure of a pooling kernel over images (N, rows, columns, channels).

    mode: "max" (values and index of x), "pick" (of x and index), "sum" (of x), and the transposes
    "max_grad" (of g and index), "sum_grad" (of g). rows, columns: extents of the image; extents: of
    the windows. low: padding before. plane: "max" gives positions in the plane (int64) instead of
    places in the window (`index`).
    """

    mode: str
    dtype: str
    index: str
    channels: int
    rows: int
    columns: int
    extents: tuple[int, int]
    window: tuple[int, int]
    strides: tuple[int, int]
    low: tuple[int, int]
    dilation: tuple[int, int]
    plane: bool = False

    @property
    def unit_rows(self) -> int:
        """Units per image: rows of the result."""
        return self.rows if self.mode.endswith("grad") else self.extents[0]

    @property
    def inside(self) -> bool:
        """Whether no window leaves the image."""
        reach = [
            (n - 1) * s + (k - 1) * d - low
            for n, s, k, d, low in zip(
                self.extents, self.strides, self.window, self.dilation, self.low
            )
        ]
        return not any(self.low) and reach[0] < self.rows and reach[1] < self.columns

    @property
    def disjoint(self) -> bool:
        """Whether windows lie side by side without gaps."""
        return self.inside and self.strides == self.window and self.dilation == (1, 1)


def pool_kernel(what: Pool) -> Kernel:
    """Buffers: results, inputs (the index last); number: channels. A unit is a row of results.

    The channels, known here as well, are passed so that masks are no constants (see `conv.py`).
    """
    return Kernel("pool", (what,), lambda symbol, target: _Emitter(symbol, target, what).emit())


class _Emitter:
    def __init__(self, symbol: str, target: Target, what: Pool) -> None:
        self.f = Function(symbol)
        self.what = what
        self.dtype = BY_NAME[what.dtype]
        self.index = BY_NAME[what.index]
        width = vectors.register_type(self.dtype, 1)
        size = {"double": 8, "i64": 8}.get(width, 4)
        lanes = target.lanes(size)
        while lanes > 1 and lanes // 2 >= what.channels:
            lanes //= 2
        self.lanes = lanes
        #: Index numbers are kept as wide as values, so that masks fit both.
        self.counter = "i64" if size == 8 or what.plane else "i32"

    def emit(self) -> Function:
        f, what = self.f, self.what
        results = 2 if what.mode == "max" else 1
        inputs = 2 if what.mode in ("pick", "max_grad") else 1
        self.results = [f.argument(i) for i in range(results)]
        self.inputs = [f.argument(results + i) for i in range(inputs)]
        self.channels = f.argument(results + inputs, "i64")
        grad = what.mode.endswith("grad")
        columns = what.columns if grad else what.extents[1]
        rows = str(what.unit_rows)
        with f.loop("%begin", "%end") as unit:
            image, row = f.div(unit.index, rows), f.rem(unit.index, rows)
            if grad and what.disjoint:
                self.disjoint(image, row, unit.index)
            else:
                self.rows(image, row, unit.index, columns)
        f.ret()
        return f

    def rows(self, image: str, row: str, unit: str, columns: int) -> None:
        """One row of results, in general."""
        f, what = self.f, self.what
        body = self.transposed if what.mode.endswith("grad") else self.windows
        with f.loop("0", str(columns)) as column:
            spot = f.add(f.mul(unit, str(columns)), column.index)
            spot = f.mul(spot, str(what.channels))
            for channel, count, mask in self.groups():
                body(image, row, column.index, spot, channel, count, mask)

    def groups(self) -> Iterator[tuple[str, int, str | None]]:
        """(first channel, vectors, mask of the last one): whole groups in a loop, then the rest."""
        f, what = self.f, self.what
        group = min(4, -(-what.channels // self.lanes))
        size = group * self.lanes
        whole = what.channels // size * size
        if whole:
            with f.loop("0", str(whole), str(size)) as channel:
                yield channel.index, group, None
        rest = what.channels - whole
        if rest:
            count = -(-rest // self.lanes)
            mask = None
            if rest % self.lanes:
                last = whole + (count - 1) * self.lanes
                mask = f.tail_mask(self.lanes, f.sub(self.channels, str(last)))
            yield str(whole), count, mask

    # -- memory -------------------------------------------------------------------------------

    def _masks(self, count: int, mask: str | None) -> list[str | None]:
        return [None] * (count - 1) + [mask]

    def _load(self, dtype: DType, base: str, place: str, count: int, mask: str | None) -> list[str]:
        """`count` vectors at element `place`."""
        f, kept = self.f, vectors.memory_type(dtype)
        start = f.at(base, place, kept)
        return [
            vectors.load(f, dtype, f.at(start, str(j * self.lanes), kept), self.lanes, only)
            for j, only in enumerate(self._masks(count, mask))
        ]

    def _store(
        self, dtype: DType, values: Sequence[str], base: str, place: str, mask: str | None
    ) -> None:
        f, kept = self.f, vectors.memory_type(dtype)
        start = f.at(base, place, kept)
        for j, (value, only) in enumerate(zip(values, self._masks(len(values), mask))):
            vectors.store(f, dtype, value, f.at(start, str(j * self.lanes), kept), self.lanes, only)

    def _load_index(self, base: str, place: str, count: int, mask: str | None) -> list[str]:
        """Place numbers as counters."""
        raw = self._load(self.index, base, place, count, mask)
        narrow, wide = (
            vectors.register_type(self.index, self.lanes),
            vectors.vector(self.counter, self.lanes),
        )
        if narrow == wide:
            return raw
        return [self.f.let(f"zext {narrow} {one} to {wide}") for one in raw]

    # -- windows to results -------------------------------------------------------------------

    def windows(
        self,
        image: str,
        row: str,
        column: str,
        spot: str,
        channel: str,
        count: int,
        mask: str | None,
    ) -> None:
        """One group of channels of one window."""
        f, what, lanes = self.f, self.what, self.lanes
        value_kind = vectors.register_type(self.dtype, lanes)
        counter_kind = vectors.vector(self.counter, lanes)
        spot = f.add(spot, channel)
        top = f.sub(f.mul(row, str(what.strides[0])), str(what.low[0]))
        left = f.sub(f.mul(column, str(what.strides[1])), str(what.low[1]))
        first = self._lowest() if what.mode == "max" else 0
        start = [(value_kind, spread_constant(value_kind, first))] * count
        if what.mode == "max":
            # The number before all: whatever comes first wins against it.
            start += [(counter_kind, spread_constant(counter_kind, -1))] * count
        chosen: list[str] = []
        if what.mode == "pick":
            chosen = self._load_index(self.inputs[1], spot, count, mask)

        def visit(down: str, across: str, held: list[str]) -> list[str]:
            y = f.add(top, f.mul(down, str(what.dilation[0])))
            x = f.add(left, f.mul(across, str(what.dilation[1])))
            line = f.add(f.mul(image, str(what.rows)), y)
            pixel = f.add(f.mul(line, str(what.columns)), x)
            at = f.add(f.mul(pixel, str(what.channels)), channel)
            seen = self._load(self.dtype, self.inputs[0], at, count, mask)
            if what.plane:
                place = f.add(f.mul(y, str(what.columns)), x)
            else:
                place = f.add(f.mul(down, str(what.window[1])), across)
            return self._take(held, seen, place, chosen)

        held = self._over_window(top, left, start, visit)
        if what.mode == "max":
            places = [self._or_else(one, self._fallback(top, left)) for one in held[count:]]
            narrow = vectors.register_type(self.index, lanes)
            if narrow != counter_kind:
                places = [f.let(f"trunc {counter_kind} {one} to {narrow}") for one in places]
            self._store(self.index, places, self.results[1], spot, mask)
        self._store(self.dtype, held[:count], self.results[0], spot, mask)

    def _fallback(self, top: str, left: str) -> str:
        """What stands for the place of a window that lies in the padding altogether: 0, or the
        position that the reference gives."""
        f, what = self.f, self.what
        if not what.plane or what.inside:
            return "0"
        position = "0"
        for start, extent, step in zip((top, left), (what.rows, what.columns), what.dilation):
            steps = f.div(f.add(self._most(f.sub("0", start), "0"), str(step - 1)), str(step))
            at = f.least(f.add(start, f.mul(steps, str(step))), str(extent - 1))
            position = f.add(f.mul(position, str(extent)), at)
        return position

    def _or_else(self, counter: str, other: str) -> str:
        """Lanes of a counter, or `other` where they are negative."""
        f, kind = self.f, vectors.vector(self.counter, self.lanes)
        bits = vectors.vector("i1", self.lanes)
        none = f.let(f"icmp slt {kind} {counter}, {spread_constant(kind, 0)}")
        return f.let(
            f"select {bits} {none}, {kind} {self._spread_counter(other)}, {kind} {counter}"
        )

    def _over_window(
        self,
        top: str,
        left: str,
        start: list[tuple[str, str]],
        visit: Callable[[str, str, list[str]], list[str]],
    ) -> list[str]:
        """Visit the places of a window that are inside the image, row by row."""
        f, what = self.f, self.what
        if what.inside and what.window[0] * what.window[1] <= SHORT:
            held = [value for _, value in start]
            for down in range(what.window[0]):
                for across in range(what.window[1]):
                    held = visit(str(down), str(across), held)
            return held
        downs = self._range(top, what.rows, what.window[0], what.dilation[0])
        acrosses = self._range(left, what.columns, what.window[1], what.dilation[1])
        kinds = [kind for kind, _ in start]
        with f.loop(*downs, carried=start) as down:
            inner = list(zip(kinds, down.carried))
            with f.loop(*acrosses, carried=inner) as across:
                across.next = visit(down.index, across.index, list(across.carried))
            down.next = across.results
        return down.results

    def _range(self, start: str, extent: int, window: int, dilation: int) -> tuple[str, str]:
        """The places t of a window with 0 <= start + t * dilation < extent."""
        f = self.f
        if self.what.inside:
            return "0", str(window)
        before = self._most(f.sub("0", start), "0")
        after = self._most(f.sub(str(extent), start), "0")
        first = f.div(f.add(before, str(dilation - 1)), str(dilation))
        last = f.least(f.div(f.add(after, str(dilation - 1)), str(dilation)), str(window))
        return first, last

    def _most(self, a: str, b: str) -> str:
        return self.f.call("i64", "llvm.smax.i64", ("i64", a), ("i64", b))

    def _take(self, held: list[str], seen: list[str], place: str, chosen: list[str]) -> list[str]:
        """What is held after one more place of the window."""
        f, what, lanes = self.f, self.what, self.lanes
        kind = vectors.register_type(self.dtype, lanes)
        counter_kind = vectors.vector(self.counter, lanes)
        bits = vectors.vector("i1", lanes)
        if what.mode == "sum":
            return [self._add(a, b) for a, b in zip(held, seen)]
        number = self._spread_counter(place)
        if what.mode == "pick":
            result = []
            for old, value, wanted in zip(held, seen, chosen):
                here = f.let(f"icmp eq {counter_kind} {wanted}, {number}")
                result.append(f.let(f"select {bits} {here}, {kind} {value}, {kind} {old}"))
            return result
        count = len(seen)
        best, numbers = [], []
        for old, at, value in zip(held, held[count:], seen):
            fresh = f.let(f"icmp slt {counter_kind} {at}, {spread_constant(counter_kind, 0)}")
            if self.dtype.kind == "f":
                above = f.let(f"fcmp ogt {kind} {value}, {old}")
                nan = f.let(f"fcmp uno {kind} {value}, {value}")
                above = f.let(f"or {bits} {above}, {nan}")
            else:
                compare = "ugt" if self.dtype.kind == "u" else "sgt"
                above = f.let(f"icmp {compare} {kind} {value}, {old}")
            wins = f.let(f"or {bits} {above}, {fresh}")
            best.append(f.let(f"select {bits} {wins}, {kind} {value}, {kind} {old}"))
            numbers.append(
                f.let(f"select {bits} {wins}, {counter_kind} {number}, {counter_kind} {at}")
            )
        return best + numbers

    def _spread_counter(self, place: str) -> str:
        f = self.f
        kind = vectors.vector(self.counter, self.lanes)
        if self.counter == "i32":
            place = f.let(f"trunc i64 {place} to i32")
        return place if self.lanes == 1 else f.splat(kind, place)

    def _add(self, a: str, b: str) -> str:
        kind = vectors.register_type(self.dtype, self.lanes)
        word = "fadd" if self.dtype.kind == "f" else "add"
        return self.f.let(f"{word} {kind} {a}, {b}")

    def _lowest(self) -> float | int:
        if self.dtype.kind == "f":
            return float("-inf")
        return 0 if self.dtype.kind == "u" else -(1 << (8 * self.dtype.itemsize - 1))

    # -- results back to windows --------------------------------------------------------------

    def transposed(
        self,
        image: str,
        row: str,
        column: str,
        spot: str,
        channel: str,
        count: int,
        mask: str | None,
    ) -> None:
        """One group of channels of one element: the sum over the windows that it lies in."""
        f, what, lanes = self.f, self.what, self.lanes
        kind = vectors.register_type(self.dtype, lanes)
        y, x = f.add(row, str(what.low[0])), f.add(column, str(what.low[1]))
        zero = spread_constant(kind, 0)
        start = [(kind, zero)] * count
        with f.loop(*self._windows_of(y, 0), carried=start) as over_rows:
            down, times = self._place(y, over_rows.index, 0)
            inner = [(kind, value) for value in over_rows.carried]
            with f.loop("0", times, carried=inner) as once:
                again = [(kind, value) for value in once.carried]
                with f.loop(*self._windows_of(x, 1), carried=again) as over_columns:
                    across, meets = self._place(x, over_columns.index, 1)
                    within = [(kind, value) for value in over_columns.carried]
                    with f.loop("0", meets, carried=within) as met:
                        line = f.add(f.mul(image, str(what.extents[0])), over_rows.index)
                        at = f.add(f.mul(line, str(what.extents[1])), over_columns.index)
                        at = f.add(f.mul(at, str(what.channels)), channel)
                        values = self._load(self.dtype, self.inputs[0], at, count, mask)
                        if what.mode == "max_grad":
                            chosen = self._load_index(self.inputs[1], at, count, mask)
                            place = f.add(f.mul(down, str(what.window[1])), across)
                            values = self._where_chosen(values, chosen, place)
                        met.next = [self._add(a, b) for a, b in zip(met.carried, values)]
                    over_columns.next = met.results
                once.next = over_columns.results
            over_rows.next = once.results
        self._store(self.dtype, over_rows.results, self.results[0], f.add(spot, channel), mask)

    def disjoint(self, image: str, row: str, unit: str) -> None:
        """A row of elements that lie in one window each, or in none at the end."""
        f, what = self.f, self.what
        down, above = f.rem(row, str(what.window[0])), f.div(row, str(what.window[0]))
        covered = f.let(f"icmp slt i64 {above}, {what.extents[0]}")
        windows = f.let(f"select i1 {covered}, i64 {what.extents[1]}, i64 0")
        line = f.mul(unit, str(what.columns))
        above = f.mul(f.add(f.mul(image, str(what.extents[0])), above), str(what.extents[1]))
        with f.loop("0", windows) as window:
            at = f.mul(f.add(above, window.index), str(what.channels))
            first = f.add(line, f.mul(window.index, str(what.window[1])))
            for channel, count, mask in self.groups():
                place = f.add(at, channel)
                values = self._load(self.dtype, self.inputs[0], place, count, mask)
                chosen: list[str] = []
                if what.mode == "max_grad":
                    chosen = self._load_index(self.inputs[1], place, count, mask)
                for across in range(what.window[1]):
                    number = f.add(f.mul(down, str(what.window[1])), str(across))
                    spot = f.mul(f.add(first, str(across)), str(what.channels))
                    taken = self._where_chosen(values, chosen, number)
                    self._store(self.dtype, taken, self.results[0], f.add(spot, channel), mask)
        kind = vectors.register_type(self.dtype, self.lanes)
        with f.loop(f.mul(windows, str(what.window[1])), str(what.columns)) as column:
            spot = f.mul(f.add(line, column.index), str(what.channels))
            for channel, count, mask in self.groups():
                zeros = [spread_constant(kind, 0)] * count
                self._store(self.dtype, zeros, self.results[0], f.add(spot, channel), mask)

    def _where_chosen(self, values: list[str], chosen: list[str], place: str) -> list[str]:
        """Values where `place` was chosen (all of them for sums), else zeros."""
        if not chosen:
            return values
        f, lanes = self.f, self.lanes
        kind = vectors.register_type(self.dtype, lanes)
        counter_kind, bits = vectors.vector(self.counter, lanes), vectors.vector("i1", lanes)
        here, zero = self._spread_counter(place), spread_constant(kind, 0)
        result = []
        for value, wanted in zip(values, chosen):
            same = f.let(f"icmp eq {counter_kind} {wanted}, {here}")
            result.append(f.let(f"select {bits} {same}, {kind} {value}, {kind} {zero}"))
        return result

    def _windows_of(self, at: str, axis: int) -> tuple[str, str]:
        """The windows o whose reach holds padded position `at`: those with 0 <= at - o * stride <=
        (window - 1) * dilation."""
        f, what = self.f, self.what
        stride, extent = what.strides[axis], what.extents[axis]
        reach = (what.window[axis] - 1) * what.dilation[axis]
        past = self._most(f.sub(at, str(reach)), "0")
        first = f.div(f.add(past, str(stride - 1)), str(stride))
        last = f.least(f.add(f.div(at, str(stride)), "1"), str(extent))
        return first, last

    def _place(self, at: str, window: str, axis: int) -> tuple[str, str]:
        """(place of `at` in a window along an axis, how many times it is there: 0 or 1)."""
        f, what = self.f, self.what
        distance = f.sub(at, f.mul(window, str(what.strides[axis])))
        dilation = str(what.dilation[axis])
        if dilation == "1":
            return distance, "1"
        even = f.let(f"icmp eq i64 {f.rem(distance, dilation)}, 0")
        return f.div(distance, dilation), f.let(f"zext i1 {even} to i64")
