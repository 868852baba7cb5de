"""The backward pass of attention in blocks: weights are found again from the logged sums.

With p = exp(scores - lse): dv = p^T g, ds = p (g v^T - delta), dq = scale ds k, dk = scale ds^T q.
No two units write the same memory. Three ways to deal the work out:

- "heads": a unit is a head; all three gradients from one pass over its blocks (5 products).
- "queries": a unit is a block of queries; gives dq (3 products).
- "keys": a unit is a block of keys; gives dk and dv (4 products).

Source: Dao et al., *FlashAttention* (arXiv:2205.14135), algorithm 4.
"""

from __future__ import annotations

from plait.core.codegen import vectors
from plait.core.codegen.attention_parts import (
    KEY_BLOCK,
    KEY_ROWS,
    LOG2_E,
    ROWS_OF_NARROW,
    Places,
    Scores,
    Scratch,
    Shape,
    add_product,
    fill_zero,
    pack_turned,
    padded,
    round_up,
    store_rows,
    widened,
)
from plait.core.codegen.exponentials import exp2
from plait.core.codegen.kernel import Kernel
from plait.core.codegen.text import Function, spread_constant
from plait.core.llvm.target import Target

#: The gradients that each way of dealing gives.
GIVES = {"heads": ("q", "k", "v"), "queries": ("q",), "keys": ("k", "v")}
#: The inputs that have places among the numbers, after the outputs: g, q, k, v.
PLACED = 4

Rows = tuple[str, str]


class _Layout:
    """Where the parts of a unit lie in its scratch memory, in elements of the wide dtype.

    The sums of keys come last, as many as a unit has keys: `keys` of them, rounded up.
    """

    def __init__(self, shape: Shape, target: Target, deal: str, keys: int) -> None:
        lanes, block = shape.lanes(target), shape.block(target)
        width, value = padded(shape.width, lanes), padded(shape.value_width, lanes)
        parts = Scratch(shape.wide.itemsize)
        self.q = parts.take(shape.width * block)
        self.g = parts.take(shape.value_width * block)
        self.weights = parts.take(KEY_BLOCK * block)
        self.by_score = parts.take(KEY_BLOCK * block)
        self.grad_q = parts.take(block * width)
        self.wide_q = self.wide_g = self.wide_k = self.wide_v = 0
        if shape.dtype.is_half:
            self.wide_q, self.wide_g = parts.take(block * width), parts.take(block * value)
            self.wide_k = parts.take(KEY_BLOCK * width)
            self.wide_v = parts.take(KEY_BLOCK * value)
        held = 0 if deal == "queries" else padded(keys, ROWS_OF_NARROW)
        self.sums = parts.take(0)
        parts.take(held * width)
        parts.take(held * value)
        self.nbytes = parts.nbytes


def scratch_bytes(shape: Shape, target: Target, deal: str, keys: int) -> int:
    """Bytes of scratch memory that the kernel needs where a unit has `keys` keys."""
    return _Layout(shape, target, deal, keys).nbytes


def attention_grad_kernel(shape: Shape, deal: str) -> Kernel:
    """outputs: those that `GIVES` names; inputs g, q, k, v, delta, lse, and the mask if any.

    Numbers: those of `attention_parts.Places`, for the outputs and then g, q, k, v. Units: heads
    x `per head`, which is 1, or the number of blocks of queries or keys.
    """

    def emit(name: str, on: Target) -> Function:
        return _Backward(name, shape, on, deal).f

    return Kernel(f"attention_grad_{deal}", shape.key(), emit)


class _Backward:
    """The function being written."""

    def __init__(self, name: str, shape: Shape, target: Target, deal: str) -> None:
        self.f, self.shape, self.target, self.deal = Function(name), shape, target, deal
        self.wide, self.lanes, self.block = shape.wide, shape.lanes(target), shape.block(target)
        self.kind = vectors.register_type(self.wide, self.lanes)
        self.element = vectors.memory_type(self.wide)
        self.kept = vectors.memory_type(shape.dtype)
        self.gives = GIVES[deal]
        self.layout = _Layout(shape, target, deal, KEY_BLOCK)
        f, outputs = self.f, len(self.gives)
        self.outputs = outputs
        buffers = outputs + (7 if shape.mask is not None else 6)
        placed = (*range(outputs), *range(outputs, outputs + PLACED))
        self.places = Places(f, shape, buffers, placed)
        self.row_k = padded(shape.width, self.lanes)
        self.row_v = padded(shape.value_width, self.lanes)
        with f.loop("%begin", "%end") as units:
            self._unit(units.index)
        f.ret("0")

    def _part(self, first: int) -> str:
        return self.f.at("%scratch", str(first), self.element)

    def _rows(self, rows: Rows, first: str) -> Rows:
        """The rows from number `first` on."""
        return self.f.at(rows[0], self.f.mul(first, rows[1]), self.kept), rows[1]

    def _unit(self, unit: str) -> None:
        f, shape, places = self.f, self.shape, self.places
        head = f.div(unit, places.per_head)
        number = f.rem(unit, places.per_head)
        queries, keys = ("0", places.queries), ("0", places.keys)
        if self.deal == "queries":
            start = f.mul(number, str(self.block))
            queries = (start, f.least(places.queries, f.add(start, str(self.block))))
        if self.deal == "keys":
            start = f.mul(number, str(KEY_BLOCK))
            keys = (start, f.least(places.keys, f.add(start, str(KEY_BLOCK))))
            if shape.causal:
                # The first block of queries of which one sees the first of these keys.
                queries = (f.mul(f.div(start, str(self.block)), str(self.block)), places.queries)
        count = f.sub(keys[1], keys[0])
        self.sums_k = self._part(self.layout.sums)
        rounded = round_up(f, count, ROWS_OF_NARROW)
        size_k, size_v = f.mul(rounded, str(self.row_k)), f.mul(rounded, str(self.row_v))
        self.sums_v = f.at(self.sums_k, size_k, self.element)
        if "k" in self.gives:
            fill_zero(f, self.wide, self.lanes, self.sums_k, size_k)
            fill_zero(f, self.wide, self.lanes, self.sums_v, size_v)
        found = [places.head(i, shape.dtype, head) for i in range(self.outputs + PLACED)]
        into = dict(zip(self.gives, found))
        operands = found[self.outputs :]
        with f.loop(*queries, str(self.block)) as blocks:
            self._queries(head, blocks.index, keys, operands, into)
        if "k" in self.gives:
            scale = spread_constant(self.kind, shape.scale)
            to_k, to_v = self._rows(into["k"], keys[0]), self._rows(into["v"], keys[0])
            sums = (self.sums_k, count, shape.width, to_k)
            store_rows(f, shape, self.target, *sums, lambda row: scale)
            sums = (self.sums_v, count, shape.value_width, to_v)
            store_rows(f, shape, self.target, *sums)

    def _statistic(self, position: int, head: str, first: str, count: str) -> list[str]:
        """One number per query of a block, from a contiguous input; zeros past its end."""
        f, lanes = self.f, self.lanes
        start = f.at(
            f.argument(self.outputs + position),
            f.add(f.mul(head, self.places.queries), first),
            self.element,
        )
        values = []
        for c in range(self.shape.columns):
            offset = str(c * lanes)
            address = f.at(start, offset, self.element)
            mask = f.tail_mask(lanes, f.sub(count, offset))
            values.append(vectors.load(f, self.wide, address, lanes, mask))
        return values

    def _queries(
        self, head: str, first: str, keys: Rows, operands: list[Rows], into: dict[str, Rows]
    ) -> None:
        """One block of queries against all keys of the unit."""
        f, shape, target, layout = self.f, self.shape, self.target, self.layout
        count = f.least(str(self.block), f.sub(self.places.queries, first))
        g, q = self._rows(operands[0], first), self._rows(operands[1], first)
        factor = shape.scale * LOG2_E
        packed_q, packed_g = self._part(layout.q), self._part(layout.g)
        pack_turned(f, shape, target, q, count, shape.width, packed_q, factor)
        pack_turned(f, shape, target, g, count, shape.value_width, packed_g)
        if "k" in self.gives:
            q = widened(f, shape, target, q, count, shape.width, self._part(layout.wide_q))
            g = widened(f, shape, target, g, count, shape.value_width, self._part(layout.wide_g))
        delta = self._statistic(4, head, first, count)
        unit = spread_constant(self.kind, LOG2_E)
        logs = [
            f.let(f"fmul {self.kind} {value}, {unit}")
            for value in self._statistic(5, head, first, count)
        ]
        mask = None if shape.mask is None else self.places.mask(head)
        scores = Scores(f, shape, target, first, count, mask)
        grad_q = self._part(layout.grad_q)
        if "q" in self.gives:
            fill_zero(f, self.wide, self.lanes, grad_q, str(self.block * self.row_k))
        stop = keys[1]
        if shape.causal:
            # To whole tiles: those of the products reach past the last key, which must then be
            # the last of all, or have weights, of zero.
            stop = f.least(stop, f.add(first, round_up(f, count, ROWS_OF_NARROW)))
        with f.loop(keys[0], stop, str(KEY_BLOCK)) as blocks:
            start = blocks.index
            there = f.least(str(KEY_BLOCK), f.sub(stop, start))
            k, v = self._rows(operands[2], start), self._rows(operands[3], start)
            k = widened(f, shape, target, k, there, shape.width, self._part(layout.wide_k))
            v = widened(f, shape, target, v, there, shape.value_width, self._part(layout.wide_v))
            self._weights(scores, k, v, start, there, logs, delta)
            self._products(q, g, k, count, there, f.sub(start, keys[0]))
        if "q" in self.gives:
            scale = spread_constant(self.kind, shape.scale)
            to = self._rows(into["q"], first)
            store_rows(f, shape, target, grad_q, count, shape.width, to, lambda row: scale)

    def _weights(
        self,
        scores: Scores,
        k: Rows,
        v: Rows,
        first: str,
        count: str,
        logs: list[str],
        delta: list[str],
    ) -> None:
        """Store the weights of a block, and the gradients of its scores."""
        f, shape, kind, lanes = self.f, self.shape, self.kind, self.lanes
        last = f.sub(count, "1")
        weights, by_score = self._part(self.layout.weights), self._part(self.layout.by_score)
        packed_q, packed_g = self._part(self.layout.q), self._part(self.layout.g)
        with f.loop("0", count, str(KEY_ROWS)) as loop:
            rows = [f.least(f.add(loop.index, str(r)), last) for r in range(KEY_ROWS)]
            tile = scores.tile(k, rows, packed_q, shape.width)
            places = []
            for r, (row, values) in enumerate(zip(rows, tile)):
                key = f.add(first, row)
                start = f.mul(f.add(loop.index, str(r)), str(self.block))
                for c, value in enumerate(values):
                    score = scores.seen(value, key, c)
                    less = f.let(f"fsub {kind} {score}, {logs[c]}")
                    weight = exp2(f, self.wide, lanes, less)
                    places.append(f.add(start, str(c * lanes)))
                    address = f.at(weights, places[-1], self.element)
                    vectors.store(f, self.wide, weight, address, lanes)
            tile = scores.tile(v, rows, packed_g, shape.value_width)
            by_weight = [value for values in tile for value in values]
            for i, (place, value) in enumerate(zip(places, by_weight)):
                weight = vectors.load(f, self.wide, f.at(weights, place, self.element), lanes)
                less = f.let(f"fsub {kind} {value}, {delta[i % shape.columns]}")
                grad = f.let(f"fmul {kind} {weight}, {less}")
                vectors.store(f, self.wide, grad, f.at(by_score, place, self.element), lanes)

    def _products(self, q: Rows, g: Rows, k: Rows, count: str, keys: str, number: str) -> None:
        """Add the products of a block; `number`: of its first key in the unit."""
        f, shape, block = self.f, self.shape, str(self.block)
        weights, by_score = self._part(self.layout.weights), self._part(self.layout.by_score)
        common = (f, self.wide, self.lanes, self.target)
        if "q" in self.gives:
            a = (by_score, 1, block)
            to = self._part(self.layout.grad_q)
            add_product(*common, block, shape.width, a, k, keys, to, at_once=self.block)
        if "k" in self.gives:
            to = f.at(self.sums_v, f.mul(number, str(self.row_v)), self.element)
            a = (weights, self.block, "1")
            add_product(*common, keys, shape.value_width, a, g, count, to)
            to = f.at(self.sums_k, f.mul(number, str(self.row_k)), self.element)
            a = (by_score, self.block, "1")
            add_product(*common, keys, shape.width, a, q, count, to)
