"""The forward pass of attention in blocks: scores of one block at a time, never all of them.

A unit is a block of queries of one head. It walks the blocks of keys with a running maximum and sum
per query, and scales what it has summed whenever the maximum rises. Source: Dao et al.,
*FlashAttention* (arXiv:2205.14135), algorithm 1; the layout is `attention_parts`'.
"""

from __future__ import annotations

import math

from plait.core.codegen import vectors
from plait.core.codegen.attention_parts import (
    KEY_BLOCK,
    KEY_ROWS,
    LOG2_E,
    Places,
    Scores,
    Scratch,
    Shape,
    add_product,
    fill_zero,
    pack_turned,
    padded,
    store_rows,
    widened,
)
from plait.core.codegen.exponentials import exp2, log2
from plait.core.codegen.kernel import Kernel
from plait.core.codegen.text import Function, spread_constant
from plait.core.llvm.target import Target

#: Operands whose places are numbers of the launch, in order: y, q, k, v.
PLACED = 4


class _Layout:
    """Where the parts of a unit lie in its scratch memory, in elements of the wide dtype."""

    def __init__(self, shape: Shape, target: Target) -> None:
        lanes, block = shape.lanes(target), shape.block(target)
        parts = Scratch(shape.wide.itemsize)
        self.packed = parts.take(shape.width * block)
        self.weights = parts.take(KEY_BLOCK * block)
        self.sums = parts.take(block * padded(shape.value_width, lanes))
        self.factors = parts.take(block)
        self.keys = self.values = 0
        if shape.dtype.is_half:
            self.keys = parts.take(KEY_BLOCK * padded(shape.width, lanes))
            self.values = parts.take(KEY_BLOCK * padded(shape.value_width, lanes))
        self.nbytes = parts.nbytes


def scratch_bytes(shape: Shape, target: Target) -> int:
    """Bytes of scratch memory that `attention_kernel` needs."""
    return _Layout(shape, target).nbytes


def attention_kernel(shape: Shape) -> Kernel:
    """outputs y, log of the sums; inputs q, k, v, and the mask where the shape has one.

    Numbers: those of `attention_parts.Places` for `PLACED` operands. Units: heads x blocks.
    """
    return Kernel("attention", shape.key(), lambda name, on: _Forward(name, shape, on).f)


class _Forward:
    """The function being written."""

    def __init__(self, name: str, shape: Shape, target: Target) -> None:
        self.f, self.shape, self.target = Function(name), shape, target
        self.wide, self.lanes, self.block = shape.wide, shape.lanes(target), shape.block(target)
        self.kind = vectors.register_type(self.wide, self.lanes)
        self.element = vectors.memory_type(self.wide)
        f, layout = self.f, _Layout(shape, target)
        self.packed = f.at("%scratch", str(layout.packed), self.element)
        self.weights = f.at("%scratch", str(layout.weights), self.element)
        self.sums = f.at("%scratch", str(layout.sums), self.element)
        self.factors = f.at("%scratch", str(layout.factors), self.element)
        self.wide_keys = f.at("%scratch", str(layout.keys), self.element)
        self.wide_values = f.at("%scratch", str(layout.values), self.element)
        buffers = 6 if shape.mask is not None else 5
        # The second buffer, of the logarithms, is contiguous: its place is not among the numbers.
        self.places = Places(f, shape, buffers, placed=(0, 2, 3, 4))
        with f.loop("%begin", "%end") as units:
            self._unit(units.index)
        f.ret("0")

    def _unit(self, unit: str) -> None:
        f, shape, places = self.f, self.shape, self.places
        head = f.div(unit, places.per_head)
        first = f.mul(f.rem(unit, places.per_head), str(self.block))
        count = f.least(str(self.block), f.sub(places.queries, first))
        y, q, k, v = [places.head(i, shape.dtype, head) for i in range(PLACED)]
        kept = vectors.memory_type(shape.dtype)
        q = (f.at(q[0], f.mul(first, q[1]), kept), q[1])
        y = (f.at(y[0], f.mul(first, y[1]), kept), y[1])
        factor = shape.scale * LOG2_E
        pack_turned(f, shape, self.target, q, count, shape.width, self.packed, factor)
        row = padded(shape.value_width, self.lanes)
        fill_zero(f, self.wide, self.lanes, self.sums, str(self.block * row))
        mask = None if shape.mask is None else places.mask(head)
        scores = Scores(f, shape, self.target, first, count, mask)
        keys = f.least(places.keys, f.add(first, count)) if shape.causal else places.keys
        lowest = spread_constant(self.kind, float("-inf"))
        zero = spread_constant(self.kind, 0)
        state = [(self.kind, lowest)] * shape.columns + [(self.kind, zero)] * shape.columns
        with f.loop("0", keys, str(KEY_BLOCK), carried=state) as blocks:
            there = f.least(str(KEY_BLOCK), f.sub(keys, blocks.index))
            blocks.next = self._block(scores, k, v, blocks.index, there, blocks.carried)
        most, total = blocks.results[: shape.columns], blocks.results[shape.columns :]
        self._finish(head, first, count, y, most, total)

    def _block(
        self,
        scores: Scores,
        k: tuple[str, str],
        v: tuple[str, str],
        first: str,
        count: str,
        carried: list[str],
    ) -> list[str]:
        """One block of keys; gives the new maxima and sums."""
        f, shape, lanes = self.f, self.shape, self.lanes
        kept = vectors.memory_type(shape.dtype)
        columns = range(shape.columns)
        k = (f.at(k[0], f.mul(first, k[1]), kept), k[1])
        v = (f.at(v[0], f.mul(first, v[1]), kept), v[1])
        k = widened(f, shape, self.target, k, count, shape.width, self.wide_keys)
        v = widened(f, shape, self.target, v, count, shape.value_width, self.wide_values)
        before, sums = carried[: shape.columns], carried[shape.columns :]
        most = self._scores(scores, k, first, count, before)
        # Where nothing has been seen yet the maximum is -inf, which must not be subtracted.
        lowest, zero = (spread_constant(self.kind, x) for x in (float("-inf"), 0))
        safe = []
        for c in columns:
            nothing = f.let(f"fcmp oeq {self.kind} {most[c]}, {lowest}")
            flags = f"<{lanes} x i1>"
            safe.append(
                f.let(f"select {flags} {nothing}, {self.kind} {zero}, {self.kind} {most[c]}")
            )
        starts = []
        for c in columns:
            fall = f.let(f"fsub {self.kind} {before[c]}, {safe[c]}")
            factor = exp2(f, self.wide, lanes, fall)
            place = f.at(self.factors, str(c * lanes), self.element)
            vectors.store(f, self.wide, factor, place, lanes)
            starts.append(f.let(f"fmul {self.kind} {sums[c]}, {factor}"))
        with f.loop("0", count, carried=[(self.kind, s) for s in starts]) as rows:
            row = f.at(self.weights, f.mul(rows.index, str(self.block)), self.element)
            for c in columns:
                place = f.at(row, str(c * lanes), self.element)
                score = vectors.load(f, self.wide, place, lanes)
                weight = exp2(f, self.wide, lanes, f.let(f"fsub {self.kind} {score}, {safe[c]}"))
                vectors.store(f, self.wide, weight, place, lanes)
                rows.next[c] = f.let(f"fadd {self.kind} {rows.carried[c]}, {weight}")
        self._add_values(v, count)
        return [*most, *rows.results]

    def _scores(
        self, scores: Scores, k: tuple[str, str], first: str, count: str, most: list[str]
    ) -> list[str]:
        """Store the scores of a block of keys; gives the maxima with them."""
        f, lanes = self.f, self.lanes
        last = f.sub(count, "1")
        with f.loop("0", count, str(KEY_ROWS), [(self.kind, m) for m in most]) as loop:
            # Past the end the last key is taken again, which changes no maximum.
            rows = [f.least(f.add(loop.index, str(r)), last) for r in range(KEY_ROWS)]
            tile = scores.tile(k, rows, self.packed, self.shape.width)
            for r, (row, values) in enumerate(zip(rows, tile)):
                key = f.add(first, row)
                into = f.mul(f.add(loop.index, str(r)), str(self.block))
                start = f.at(self.weights, into, self.element)
                for c, value in enumerate(values):
                    score = scores.seen(value, key, c)
                    place = f.at(start, str(c * lanes), self.element)
                    vectors.store(f, self.wide, score, place, lanes)
                    held = loop.next[c]
                    more = f.let(f"fcmp ogt {self.kind} {score}, {held}")
                    loop.next[c] = f.let(
                        f"select <{lanes} x i1> {more}, {self.kind} {score}, {self.kind} {held}"
                    )
        return loop.results

    def _factor(self, row: str) -> str:
        one = vectors.load(self.f, self.wide, self.f.at(self.factors, row, self.element), 1)
        return self.f.splat(self.kind, one)

    def _add_values(self, v: tuple[str, str], count: str) -> None:
        add_product(
            self.f,
            self.wide,
            self.lanes,
            self.target,
            str(self.block),
            self.shape.value_width,
            (self.weights, 1, str(self.block)),
            v,
            count,
            self.sums,
            self._factor,
            at_once=self.block,
        )

    def _finish(
        self,
        head: str,
        first: str,
        count: str,
        y: tuple[str, str],
        most: list[str],
        total: list[str],
    ) -> None:
        """Divide by the sums; store the result and the logarithms."""
        f, shape, lanes, kind = self.f, self.shape, self.lanes, self.kind
        zero, one = spread_constant(kind, 0), spread_constant(kind, 1)
        into = f.add(f.mul(head, self.places.queries), first)
        logs = f.at(f.argument(1), into, self.element)
        for c in range(shape.columns):
            inverse = f.let(f"fdiv {kind} {one}, {total[c]}")
            log = f.let(f"fadd {kind} {most[c]}, {log2(f, self.wide, lanes, total[c])}")
            log = f.let(f"fmul {kind} {log}, {spread_constant(kind, math.log(2))}")
            if shape.may_be_blind:
                flags = f"<{lanes} x i1>"
                blind = f.let(f"fcmp oeq {kind} {total[c]}, {zero}")
                inverse = f.let(f"select {flags} {blind}, {kind} {zero}, {kind} {inverse}")
                log = f.let(f"select {flags} {blind}, {kind} {zero}, {kind} {log}")
            offset = str(c * lanes)
            there = f.tail_mask(lanes, f.sub(count, offset))
            vectors.store(f, self.wide, log, f.at(logs, offset, self.element), lanes, there)
            place = f.at(self.factors, offset, self.element)
            vectors.store(f, self.wide, inverse, place, lanes)
        store_rows(f, shape, self.target, self.sums, count, shape.value_width, y, self._factor)
