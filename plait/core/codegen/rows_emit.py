"""The code of row kernels: passes over a row, vectors along it or across neighbouring rows.

A reduction ends a pass: what follows it needs another walk over the row, which is still in cache.
Values of a row that several passes need are computed again if that is cheap, else kept in scratch.
`Style` (rows_style.py) holds all that the code depends on; extents, strides and offsets come at run
time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from plait.core.codegen import folds, pointwise, vectors
from plait.core.codegen.rows_memory import RowMemory
from plait.core.codegen.rows_style import At, Row, Style
from plait.core.ir.graph import Instruction
from plait.core.ir.op import Lowering

#: What a walk does at a place of each row: (places, accumulators) to the accumulators after it.
Body = Callable[[list[At], list[str]], list[str]]
#: Ops that cost more than a trip to scratch.
_CHEAP = frozenset(
    ("add", "sub", "mul", "neg", "abs", "maximum", "minimum", "relu", "where", "cast", "broadcast",
     "full", "eq", "ne", "lt", "le", "gt", "ge", "and", "or", "xor", "not", "alias", "reshape")
)  # fmt: skip


class RowEmitter(RowMemory):
    """Writes one kernel."""

    def __init__(self, symbol: str, style: Style) -> None:
        super().__init__(symbol, style)
        self.levels = self._levels()
        self.kept: dict[int, int] = {}
        if not style.blocks:  # scratch has accumulators there
            self._plan_scratch()
        self.alike = self._alike()
        #: Values whose row is in scratch, and those that the present pass puts there.
        self.filled: set[int] = set()
        self.stored: set[int] = set()

    # -- what the graph needs ---------------------------------------------------------------------

    def made(self, value: int) -> Instruction:
        return self.graph.instructions[value - self.count]

    def folds(self, value: int) -> bool:
        return value >= self.count and self.made(value).op.lowering is Lowering.REDUCE

    def folds_of(self, turn: int) -> list[int]:
        """The values that pass `turn` folds."""
        return [
            self.count + place
            for place in range(len(self.graph.instructions))
            if self.folds(self.count + place) and self.levels[self.count + place] == turn + 1
        ]

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

    def _alike(self) -> set[int]:
        """The full values that are the same for all rows: each is made once for several of them."""
        found: set[int] = set()
        if self.style.together == 1:
            return found
        for number, access in enumerate(self.style.reads):
            still = not any(s != "0" for s in access.strides[: self.style.outer])
            if self.is_full(number) and still and not access.guards:
                found.add(number)
        for value in range(self.count, self.count + len(self.graph.instructions)):
            made = self.made(value)
            if self.is_full(value) and made.args and found.issuperset(made.args):
                found.add(value)
        return found - self.kept.keys()

    # -- values -----------------------------------------------------------------------------------

    def value(self, value: int, at: At) -> str:
        """A value at a place: full ones in vectors, those per row from what is there."""
        if not self.is_full(value):
            return at.row.scalars[value]
        memo = at.alike if value in self.alike else at.memo
        if value in memo:
            return memo[value]
        if value < self.count:
            found = self.load(value, at, self.style.lanes)
        elif value in self.kept and value in self.filled:
            found = self._from_scratch(value, at)
        else:
            made = self.made(value)
            if made.op.name == "broadcast":
                found = self._spread_of(made.args[0], at.row)
            else:
                operands = [self.value(a, at) for a in made.args]
                found = self._op(made, operands, self.style.lanes)
            if value in self.kept:
                self._to_scratch(value, found, at)
        memo[value] = found
        return found

    def _op(self, made: Instruction, operands: list[str], lanes: int) -> str:
        kinds = [self.graph.type_of(a).dtype for a in made.args]
        return pointwise.emit_op(self.f, made.op, made.attrs, kinds, made.dtype, operands, lanes)

    def _spread_of(self, value: int, row: Row) -> str:
        """A value per row in every lane."""
        return row.scalars[value] if self.style.across else row.spread[value]

    def compute_scalars(self, turn: int, at: At) -> None:
        """Values of a row that can be computed before pass `turn`, and their spread forms."""
        scalars = at.row.scalars
        for value in range(self.count + len(self.graph.instructions)):
            if self.is_full(value) or value in scalars or self.levels[value] > turn:
                continue
            if self.folds(value):
                continue
            if value < self.count:
                scalars[value] = self.load(value, at, self.row_lanes)
            else:
                made = self.made(value)
                operands = [scalars[a] for a in made.args]
                scalars[value] = self._op(made, operands, self.row_lanes)
        if not self.style.across:
            self._spread_scalars(at.row)

    def _spread_scalars(self, row: Row) -> None:
        for made in self.graph.instructions:
            if made.op.name != "broadcast":
                continue
            source = made.args[0]
            if source in row.scalars and source not in row.spread:
                kind = vectors.register_type(made.dtype, self.style.lanes)
                row.spread[source] = self.f.splat(kind, row.scalars[source])

    # -- scratch ----------------------------------------------------------------------------------

    def _scratch_place(self, value: int, at: At) -> str:
        f = self.f
        width = str(self.style.lanes) if self.style.across else "1"
        number = self.kept[value] * self.style.together + at.row.number
        base = f.at("%scratch", f.mul(self.room, str(number)), "i8")
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

    # -- walks along rows -------------------------------------------------------------------------

    def walk(
        self,
        rows: list[Row],
        row_mask: str | None,
        carried: list[tuple[str, str]],
        body: Body,
        bounds: tuple[str, str] | None = None,
    ) -> list[list[str]]:
        """Run `body(places, accumulators)` over rows, a place in each of them at a time.

        carried: (type, first value) of the accumulators. Gives the sets of accumulators, which are
        still to be combined. bounds: the part of the last loop to walk.
        """
        kinds = [kind for kind, _ in carried]
        several = self.style.unroll if self.style.inner and not self.style.across else 1
        sets = [[first for _, first in carried] for _ in range(max(several, 1))]
        return _Walk(self, rows, row_mask, kinds, body, bounds).nest([], "0", sets)

    # -- passes -----------------------------------------------------------------------------------

    def rows(
        self, outers: list[list[str]], row_mask: str | None = None, bounds: Any = None
    ) -> None:
        """All passes over rows (or over one of neighbours), and what they store.

        outers: the indices of the outer loops, of each of the rows that are walked together.
        """
        rows = [Row(outer, number) for number, outer in enumerate(outers)]
        for outer in outers:
            for loop, index in enumerate(outer):
                self.multiply_once(loop, index)
        self.filled, self.stored = set(), set()
        starts = self.places(rows, ["0"] * self.style.inner, row_mask, "0")
        last = max(self.levels, default=0)
        for turn in range(last):
            for start in starts:
                self.compute_scalars(turn, start)
            self._fold_pass(turn, rows, row_mask)
            self.filled |= self.stored
        for start in starts:
            self.compute_scalars(last, start)
        self._store_pass(rows, row_mask, starts, bounds)

    def places(self, rows: list[Row], inner: list[str], mask: str | None, linear: str) -> list[At]:
        """The same place in each of some rows."""
        alike: dict[int, str] = {}
        return [At(row, [*row.outer, *inner], mask, linear, {}, alike) for row in rows]

    def _fold_pass(self, turn: int, rows: list[Row], row_mask: str | None) -> None:
        wanted = self.folds_of(turn)
        kinds = [self.fold_of(value) for value in wanted]
        carried = [pair for _ in rows for fold in kinds for pair in fold.start(self.style.lanes)]

        def body(places: list[At], held: list[str]) -> list[str]:
            following: list[str] = []
            for at in places:
                for value, fold in zip(wanted, kinds):
                    x = self.value(self.made(value).args[0], at)
                    mine = held[len(following) : len(following) + fold.width]
                    mask = None if self.style.across else at.mask
                    following += fold.add(self.f, mine, x, at.linear, mask, self.style.lanes)
            return following

        sets = self.walk(rows, row_mask, carried, body)
        place = 0
        for row in rows:
            for value, fold in zip(wanted, kinds):
                parts = [held[place : place + fold.width] for held in sets]
                place += fold.width
                row.scalars[value] = self.folded(value, fold, parts)

    def folded(self, value: int, fold: folds.Fold, parts: list[list[str]]) -> str:
        """The result of a fold whose accumulators are these."""
        whole = parts[0]
        for part in parts[1:]:
            whole = fold.combine(self.f, whole, part, self.style.lanes)
        if not self.style.across:
            whole = fold.across_lanes(self.f, whole, self.style.lanes)
        found = fold.result(self.f, whole, self.row_lanes)
        return vectors.rounded(self.f, self.graph.type_of(value).dtype, found, self.row_lanes)

    def fold_of(self, value: int) -> folds.Fold:
        """The fold that makes a value."""
        made = self.made(value)
        return folds.fold_of(
            made.op.name,
            self.graph.type_of(made.args[0]).dtype,
            self.style.across,
            self.style.near,
        )

    def _store_pass(
        self, rows: list[Row], row_mask: str | None, starts: list[At], bounds: Any
    ) -> None:
        for number, value in enumerate(self.graph.outputs):
            if not self.is_full(value):
                self.put(number, [r.scalars[value] for r in rows], starts, self.row_lanes)
        full = [n for n, v in enumerate(self.graph.outputs) if self.is_full(v)]
        if not full:
            return

        def body(places: list[At], held: list[str]) -> list[str]:
            # All values before the first store: an output may lie in the memory of an input that
            # only another one reads.
            found = [[self.value(self.graph.outputs[n], at) for n in full] for at in places]
            for output, values in zip(full, zip(*found)):
                self.put(output, list(values), places, self.style.lanes)
            return []

        self.walk(rows, row_mask, [], body, bounds)

    def put(self, number: int, values: list[str], places: list[At], lanes: int) -> None:
        """Store an output of some rows, or add it to the sums of this unit's run of rows."""
        if self.style.modes[number] == "accumulate":
            self.accumulate(number, values, places[0], lanes)
            return
        for value, at in zip(values, places):
            self.store(number, value, at, lanes)


class _Walk(NamedTuple):
    """A walk along some rows, as `RowEmitter.walk` describes it."""

    emitter: RowEmitter
    rows: list[Row]
    row_mask: str | None
    kinds: list[str]
    body: Body
    bounds: tuple[str, str] | None

    def nest(self, inner: list[str], linear: str, sets: list[list[str]]) -> list[list[str]]:
        """The inner loops from number `len(inner)` on, from these sets of accumulators to those
        after them."""
        e, f = self.emitter, self.emitter.f
        loop = e.style.outer + len(inner)
        if loop == e.loops:
            return [self.body(e.places(self.rows, inner, self.row_mask, "0"), sets[0])]
        if loop == e.loops - 1:
            start, stop = self.bounds or ("0", e.extents[loop])
            return self._last(inner, linear, sets, start, stop)
        with f.loop("0", e.extents[loop], carried=self._carried(sets)) as turn:
            here = f.mul(f.add(linear, turn.index), e.extents[loop + 1])
            after = self.nest([*inner, turn.index], here, self._sets(turn.carried))
            turn.next = [value for one in after for value in one]
        return self._sets(turn.results)

    def _carried(self, sets: list[list[str]]) -> list[tuple[str, str]]:
        return [pair for one in sets for pair in zip(self.kinds, one)]

    def _sets(self, values: list[str]) -> list[list[str]]:
        n = len(self.kinds)
        return [values[i : i + n] for i in range(0, len(values), n)] if n else [[]]

    def _last(
        self, inner: list[str], linear: str, sets: list[list[str]], start: str, stop: str
    ) -> list[list[str]]:
        """The last loop: over rows across the lanes, or in vectors."""
        e, f = self.emitter, self.emitter.f
        if not e.style.across:
            return self._vectors(inner, linear, sets, start, stop)
        with f.loop(start, stop, carried=self._carried(sets)) as turn:
            linear = f.add(linear, turn.index)
            places = e.places(self.rows, [*inner, turn.index], self.row_mask, linear)
            turn.next = self.body(places, turn.carried)
        return [turn.results]

    def _vectors(
        self, inner: list[str], linear: str, sets: list[list[str]], start: str, stop: str
    ) -> list[list[str]]:
        """A main part of whole vectors, several a turn, and a tail."""
        e, f = self.emitter, self.emitter.f
        lanes, unroll = e.style.lanes, e.style.unroll
        if e.style.turns:
            return self._whole(inner, linear, sets)
        if unroll:
            step = str(unroll * lanes)
            main = f.sub(stop, f.let(f"urem i64 {f.sub(stop, start)}, {step}"))
            with f.loop(start, main, step, carried=self._carried(sets)) as turn:
                held = self._sets(turn.carried) if self.kinds else [[]] * unroll
                following: list[str] = []
                for number in range(unroll):
                    index = f.add(turn.index, str(number * lanes))
                    places = e.places(self.rows, [*inner, index], None, f.add(linear, index))
                    following += self.body(places, held[number])
                turn.next = following
            sets, start = self._sets(turn.results), main
        with f.loop(start, stop, str(lanes), carried=self._carried(sets[:1])) as turn:
            mask = f.tail_mask(lanes, f.sub(stop, turn.index))
            linear = f.add(linear, turn.index)
            places = e.places(self.rows, [*inner, turn.index], mask, linear)
            turn.next = self.body(places, turn.carried)
        return [turn.results, *sets[1:]]

    def _whole(self, inner: list[str], linear: str, sets: list[list[str]]) -> list[list[str]]:
        """So many turns, without a loop: there is no other part."""
        e, f = self.emitter, self.emitter.f
        for number in range(e.style.turns * e.style.unroll):
            index = str(number * e.style.lanes)
            places = e.places(self.rows, [*inner, index], None, f.add(linear, index))
            held = number % e.style.unroll if self.kinds else 0
            sets[held] = self.body(places, sets[held])
        return sets


def _scratch_type(dtype: Any) -> str:
    """The type of a value in scratch: as in registers, but for bool."""
    return "i8" if dtype.kind == "b" else vectors.register_type(dtype, 1)
