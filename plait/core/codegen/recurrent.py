"""Kernels of recurrent sequences: one time step of an LSTM, a GRU or an Elman network.

A step multiplies the state (batch, K) with a packed weight (K, columns) and finishes the cell at
once. A unit is a group of tiles of a few rows of the batch by one panel of columns; the panel of a
forward step holds all gates of the same hidden units side by side, so that the cell needs no other
unit. The weight comes from the second cache a chunk at a time, which stays in the first while all
tiles of the unit meet it; their sums wait in scratch.
Steps follow each other as launches: within one, units are independent.

Source of the fusion: Georganas et al., arXiv:1906.06440, section 3.1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from plait.core.codegen import brgemm, gate_math, vectors
from plait.core.codegen.kernel import Kernel
from plait.core.codegen.text import Function, spread_constant
from plait.core.ir.dtypes import DType
from plait.core.llvm.target import Target

#: The numbers of every step kernel, after its buffers. parts: tiles along the batch, of which the
#: first `tall` have the most rows; group: tiles of a unit. depth: the extent of the contracted
#: axis, and `steps` how much of it is summed (0: there is no state yet). now: row of (T * B) where
#: the step's values begin; before: the row of the state that it reads, or -1 for the initial one.
#: source: the row of the gradients that it multiplies, in a step back. batch: its rows, read where
#: they vary: then all tiles but the last have the most.
NUMBERS = ("hidden", "parts", "group", "tall", "depth", "steps", "now", "before", "source", "batch")


@dataclass(frozen=True)
class Tile:
    """The register tile of a step kernel.

    rows, columns: its most rows, and vectors in a row; `together` of these are multiplied at once.
    chunk: steps of the contracted axis whose part of a panel stays in the first cache. gates:
    whether the vectors of a panel are the gates of one vector of hidden units, else neighbouring
    vectors of hidden units. ragged: whether the last panel has fewer hidden units than `width`.
    heights: where the batch is known at run time, the numbers of rows that products are written
    for, of which the least that will do is taken; else none.
    """

    dtype: DType
    lanes: int
    rows: int
    columns: int
    together: int
    gates: bool
    ragged: bool
    chunk: int
    heights: tuple[int, ...] = ()

    @property
    def width(self) -> int:
        """Hidden units of a panel."""
        return self.lanes if self.gates else self.lanes * self.columns

    @property
    def key(self) -> tuple:
        """What kernels on this tile depend on."""
        shape = (self.lanes, self.rows, self.columns, self.together, self.chunk)
        return (self.dtype.name, *shape, self.gates, self.ragged, self.heights)

    @property
    def kind(self) -> str:
        """The type of a vector in registers."""
        return vectors.register_type(self.dtype, self.lanes)


class Step:
    """A step kernel while the cell of one row and one vector of hidden units is written.

    args: addresses and numbers by name. row: of the batch; place: first hidden unit of the vector.
    """

    def __init__(self, f: Function, tile: Tile, args: dict[str, str]) -> None:
        self.f = f
        self.tile = tile
        self.args = args
        self.row = self.place = self.sums = "0"
        self.mask: str | None = None

    def sum(self, column: int = 0) -> str:
        """The finished product in vector `column` of the row's tile (from here on)."""
        f, tile = self.f, self.tile
        where = f.at(self.sums, str(column * tile.lanes), vectors.memory_type(tile.dtype))
        return vectors.load(f, tile.dtype, where, tile.lanes)

    def _address(self, buffer: str, row: str, gate: int, gates: int) -> str:
        f, hidden = self.f, self.args["hidden"]
        index = f.add(f.mul(row, str(gates)), str(gate))
        offset = f.add(f.mul(index, hidden), self.place)
        return f.at(buffer, offset, vectors.memory_type(self.tile.dtype))

    def load(self, name: str, row: str, gate: int = 0, gates: int = 1) -> str:
        """The vector of `gate` in a row of (rows, gates * H)."""
        where = self._address(self.args.get(name, name), row, gate, gates)
        return vectors.load(self.f, self.tile.dtype, where, self.tile.lanes, self.mask)

    def store(self, value: str, name: str, row: str, gate: int = 0, gates: int = 1) -> None:
        """Store the vector of `gate` in a row of (rows, gates * H)."""
        where = self._address(self.args.get(name, name), row, gate, gates)
        vectors.store(self.f, self.tile.dtype, value, where, self.tile.lanes, self.mask)

    def prefetch(self, name: str, row: str, gates: int = 1) -> None:
        """Ask for the vectors of all gates in a row of (rows, gates * H)."""
        for gate in range(gates):
            self.f.prefetch(self._address(self.args[name], row, gate, gates), 2)

    def now(self) -> str:
        """The row of this step's values."""
        return self.f.add(self.args["now"], self.row)

    def state(self, first: str, states: str) -> str:
        """The address of the (batch, H) state that the step reads."""
        f, args = self.f, self.args
        offset = f.mul(args["before"], args["hidden"])
        inside = f.at(args[states], offset, vectors.memory_type(self.tile.dtype))
        is_first = f.let(f"icmp slt i64 {args['before']}, 0")
        return f.let(f"select i1 {is_first}, ptr {args[first]}, ptr {inside}")

    # -- arithmetic, on vectors ------------------------------------------------------------------

    def _two(self, what: str, a: str, b: str) -> str:
        return self.f.let(f"{what} {self.tile.kind} {a}, {b}")

    def add(self, a: str, b: str) -> str:
        return self._two("fadd", a, b)

    def sub(self, a: str, b: str) -> str:
        return self._two("fsub", a, b)

    def mul(self, a: str, b: str) -> str:
        return self._two("fmul", a, b)

    def fma(self, a: str, b: str, c: str) -> str:
        return brgemm.multiply_add(self.f, self.tile.kind, a, b, c)

    def sigmoid(self, x: str) -> str:
        return gate_math.sigmoid(self.f, self.tile.kind, x)

    def tanh(self, x: str) -> str:
        return gate_math.tanh(self.f, self.tile.kind, x)

    def relu(self, x: str) -> str:
        """max(x, 0); nan stays nan."""
        return self.unless_below(x, x)

    def unless_below(self, x: str, value: str) -> str:
        """`value` where x > 0 or x is nan, else 0."""
        zero = spread_constant(self.tile.kind, 0)
        kept = self.f.let(f"fcmp ugt {self.tile.kind} {x}, {zero}")
        truths = vectors.vector("i1", self.tile.lanes)
        chosen = f"{self.tile.kind} {value}, {self.tile.kind} {zero}"
        return self.f.let(f"select {truths} {kept}, {chosen}")


def step_kernel(
    kind: str,
    tile: Tile,
    buffers: Sequence[str],
    operand: Callable[[Step], str],
    cell: Callable[[Step], None],
    soon: dict[str, int],
) -> Kernel:
    """One time step over units (panels of columns, groups of tiles of rows).

    buffers: names of the kernel's first arguments, "packed" among them; NUMBERS follow. operand:
    writes the address of the (batch, depth) matrix that multiplies the weight. cell: writes what
    becomes of one row and one vector of hidden units. soon: the buffers (T * B, gates * H) with
    their gates that the cells will touch: they are asked for before the product, which hides what
    memory takes, because no hardware prefetcher follows single vectors in many rows.
    """

    def emit(symbol: str, target: Target) -> Function:
        f = Function(symbol)
        heights = tile.heights or tuple([n for n in (tile.rows - 1, tile.rows) if n])
        f.helpers = [_product(symbol, tile, n) for n in heights]
        args = {name: f.argument(i) for i, name in enumerate(buffers)}
        for i, name in enumerate(NUMBERS):
            args[name] = f.argument(len(buffers) + i, "i64")
        step = Step(f, tile, args)
        matrix = operand(step)
        groups = f.div(f.add(args["parts"], f.sub(args["group"], "1")), args["group"])
        with f.loop("%begin", "%end") as unit:
            panel = f.div(unit.index, groups)
            part = f.mul(f.rem(unit.index, groups), args["group"])
            last = f.least(f.add(part, args["group"]), args["parts"])
            first, _ = _rows_of(f, tile, args, part)
            stop = f.add(*_rows_of(f, tile, args, f.sub(last, "1")))
            count = f.sub(stop, first)
            _clear(f, tile, count)
            with f.loop("0", args["steps"], str(tile.chunk)) as chunk:
                _add_chunk(step, matrix, panel, chunk.index, (part, last), first, heights, soon)
            _each_vector(step, first, count, panel, lambda: cell(step))
        f.ret()
        return f

    return Kernel(kind, tile.key, emit)


def _clear(f: Function, tile: Tile, rows: str) -> None:
    """The sums of so many rows begin at zero."""
    kept = vectors.memory_type(tile.dtype)
    zero = spread_constant(tile.kind, 0)
    with f.loop("0", f.mul(rows, str(tile.columns))) as vector:
        where = f.at("%scratch", f.mul(vector.index, str(tile.lanes)), kept)
        vectors.store(f, tile.dtype, zero, where, tile.lanes)


def _add_chunk(
    step: Step,
    matrix: str,
    panel: str,
    start: str,
    parts: tuple[str, str],
    first: str,
    heights: Sequence[int],
    soon: dict[str, int],
) -> None:
    """Add the products of the chunk from step `start` on to the sums of the tiles from parts[0] to
    parts[1], of which the first begins at row `first`. heights: of `f.helpers`."""
    f, tile, args = step.f, step.tile, step.args
    kept = vectors.memory_type(tile.dtype)
    width = str(tile.columns * tile.lanes)
    b = f.add(f.mul(panel, args["depth"]), start)
    b = f.at(args["packed"], f.mul(b, width), kept)
    steps = f.least(str(tile.chunk), f.sub(args["steps"], start))
    with f.loop(*parts) as part:
        row, count = _rows_of(f, tile, args, part.index)
        with f.when(f.let(f"icmp eq i64 {start}, 0")):
            _each_vector(step, row, count, panel, lambda: _prefetch(step, soon))
        a = f.at(matrix, f.add(f.mul(row, args["depth"]), start), kept)
        sums = f.at("%scratch", f.mul(f.sub(row, first), width), kept)
        extents = f"i64 {args['depth']}, i64 {steps}, i64 {count}"
        for helper, below, height in zip(f.helpers, (0, *heights), heights):
            more = f.let(f"icmp sgt i64 {count}, {below}")
            fits = f.let(f"icmp sle i64 {count}, {height}")
            with f.when(f.let(f"and i1 {more}, {fits}")):
                for column in range(0, tile.columns, tile.together):
                    weight, to = [
                        f.at(place, str(column * tile.lanes), kept) for place in (b, sums)
                    ]
                    given = f"ptr {a}, ptr {weight}, {extents}, ptr {to}"
                    f.line(f"call void @{helper.name}({given})")


def _rows_of(f: Function, tile: Tile, args: dict[str, str], part: str) -> tuple[str, str]:
    """(first row, number of rows) of a tile along the batch."""
    if tile.heights:
        first = f.mul(part, str(tile.rows))
        return first, f.least(f.sub(args["batch"], first), str(tile.rows))
    low = str(tile.rows - 1)
    is_tall = f.let(f"icmp slt i64 {part}, {args['tall']}")
    first = f.add(f.mul(part, low), f.least(part, args["tall"]))
    return first, f.add(low, f.let(f"zext i1 {is_tall} to i64"))


def _product(symbol: str, tile: Tile, rows: int) -> Function:
    """A function that adds `rows` rows of (rows, depth) times `together` vectors of a panel to the
    sums in scratch.

    Where the batch is known at run time there may be fewer: the last one is repeated. It stands by
    itself so that the constants of the cell do not take the registers of its loop.
    """
    kept = vectors.memory_type(tile.dtype)
    parameters = (
        ("ptr", "matrix"),
        ("ptr", "panel"),
        ("i64", "depth"),
        ("i64", "steps"),
        ("i64", "count"),
        ("ptr", "sums"),
    )
    f = Function(f"{symbol}_{rows}", parameters, "void")
    width = tile.columns * tile.lanes
    places = [str(i) for i in range(rows)]
    if tile.heights:
        last = f.sub("%count", "1")
        places = [f.least(place, last) for place in places]
    starts = [f.at("%matrix", f.mul(place, "%depth"), kept) for place in places]
    lines = [
        [f.at("%sums", str(i * width + j * tile.lanes), kept) for j in range(tile.together)]
        for i in range(rows)
    ]
    held = [[vectors.load(f, tile.dtype, at, tile.lanes) for at in line] for line in lines]
    found = brgemm.accumulate(
        f, tile.dtype, tile.lanes, starts, "1", "%panel", str(width), "%steps", held
    )
    for line, values in zip(lines, found):
        for at, value in zip(line, values):
            vectors.store(f, tile.dtype, value, at, tile.lanes)
    f.ret()
    return f


def _each_vector(step: Step, first: str, count: str, panel: str, write: Callable[[], None]) -> None:
    """Loops over `count` rows and the vectors of hidden units of a panel around `write`."""
    f, tile, args = step.f, step.tile, step.args
    kept = vectors.memory_type(tile.dtype)
    start = f.mul(panel, str(tile.width))
    stop = f.least(f.add(start, str(tile.width)), args["hidden"])
    with f.loop("0", count) as row:
        step.row = f.add(first, row.index)
        sums = f.at("%scratch", f.mul(row.index, str(tile.columns * tile.lanes)), kept)
        with f.loop(start, stop, str(tile.lanes)) as place:
            step.place = place.index
            step.sums = f.at(sums, f.sub(place.index, start), kept)
            if tile.ragged:
                step.mask = f.tail_mask(tile.lanes, f.sub(args["hidden"], place.index))
            write()


def _prefetch(step: Step, soon: dict[str, int]) -> None:
    now = step.now()
    for name, gates in soon.items():
        step.prefetch(name, now, gates)


# -- forward cells ------------------------------------------------------------------------------


def lstm_step(tile: Tile) -> Kernel:
    """One step of an LSTM; buffers y, c, gates | x, h0, c0, packed."""

    def cell(step: Step) -> None:
        now = step.now()
        z = [step.add(step.sum(k), step.load("x", now, k, 4)) for k in range(4)]
        i, f, g, o = step.sigmoid(z[0]), step.sigmoid(z[1]), step.tanh(z[2]), step.sigmoid(z[3])
        c = step.mul(f, step.load(step.state("c0", "c"), step.row))
        c = step.fma(i, g, c)
        for k, value in enumerate((i, f, g, o)):
            step.store(value, "gates", now, k, 4)
        step.store(c, "c", now)
        step.store(step.mul(o, step.tanh(c)), "y", now)

    names = ("y", "c", "gates", "x", "h0", "c0", "packed")
    soon = {"x": 4, "gates": 4, "c": 1, "y": 1}
    return step_kernel("lstm", tile, names, lambda step: step.state("h0", "y"), cell, soon)


def gru_step(tile: Tile, bias: bool) -> Kernel:
    """One step of a GRU; buffers y, gates | x, h0, packed and, if there is one, bias."""

    def cell(step: Step) -> None:
        now = step.now()
        h = [step.sum(k) for k in range(3)]
        if bias:
            h = [step.add(part, step.load("bias", "0", k, 3)) for k, part in enumerate(h)]
        x = [step.load("x", now, k, 3) for k in range(3)]
        r, z = step.sigmoid(step.add(x[0], h[0])), step.sigmoid(step.add(x[1], h[1]))
        n = step.tanh(step.fma(r, h[2], x[2]))
        before = step.load(step.state("h0", "y"), step.row)
        for k, value in enumerate((r, z, n, h[2])):
            step.store(value, "gates", now, k, 4)
        step.store(step.fma(z, step.sub(before, n), n), "y", now)

    names = ("y", "gates", "x", "h0", "packed", *(("bias",) if bias else ()))
    kind = "gru_bias" if bias else "gru"
    soon = {"x": 3, "gates": 4, "y": 1}
    return step_kernel(kind, tile, names, lambda step: step.state("h0", "y"), cell, soon)


def elman_step(tile: Tile, relu: bool) -> Kernel:
    """One step of an Elman network; buffers y | x, h0, packed."""

    def cell(step: Step) -> None:
        now = step.now()
        z = step.add(step.sum(), step.load("x", now))
        step.store(step.relu(z) if relu else step.tanh(z), "y", now)

    names, soon = ("y", "x", "h0", "packed"), {"x": 1, "y": 1}
    kind = "elman_relu" if relu else "elman_tanh"
    return step_kernel(kind, tile, names, lambda step: step.state("h0", "y"), cell, soon)
