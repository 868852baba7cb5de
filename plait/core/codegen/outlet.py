"""Where the vectors of a contraction go: through its epilogue, if it has one, and to memory.

The result's axes are those of the op; the last one runs along the lanes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from plait.core.codegen import pointwise, vectors
from plait.core.codegen.access import Access, Epilogue
from plait.core.codegen.text import Function
from plait.core.ir.dtypes import BY_NAME
from plait.core.ir.extents import blank, varies

#: Ops of 0-d values that `pointwise.emit` takes besides those that it supports as ops.
_FREE = ("alias", "broadcast", "reshape", "full")


class Spot(NamedTuple):
    """The first element of a tile: its index along each axis, and which lanes of the last vector
    of the tile there are (None: all)."""

    index: tuple[str, ...]
    mask: str | None


class Bound(NamedTuple):
    """The addresses of an outlet's buffers and their strides, as values of the code."""

    addresses: list[str]
    strides: list[list[str]]


class Outlet(NamedTuple):
    """What happens to a finished vector. dtypes name what is in memory.

    numbered: offsets and strides that vary (see `ir/extents.py`) are numbers of the launch, in the
    order of `numbers`; else they are constants of the code like all others.
    """

    read: tuple[Access, ...]
    read_dtypes: tuple[str, ...]
    write: tuple[Access, ...]
    write_dtypes: tuple[str, ...]
    graph: Any = None
    numbered: bool = False

    @property
    def reads(self) -> int:
        return len(self.read)

    @property
    def writes(self) -> int:
        return len(self.write)

    @property
    def key(self) -> tuple:
        graph = None if self.graph is None else self.graph.key
        accesses = (self.read, self.write)
        read, write = blank(accesses) if self.numbered else accesses
        return (read, self.read_dtypes, write, self.write_dtypes, graph)

    def in_place(self, first: int, extents: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
        """Which writes may go to the memory of which reads, as a launch names them.

        first: the position of the first read among the launch's inputs; extents: of the loops.
        An element is read where it is written, if the code around sends each on just once.
        """
        writes, reads = [
            [(_along(access, extents), name) for access, name in zip(accesses, names)]
            for accesses, names in ((self.write, self.write_dtypes), (self.read, self.read_dtypes))
        ]
        return tuple(
            [
                (number, first + place)
                for number, write in enumerate(writes)
                for place, read in enumerate(reads)
                if write == read
            ]
        )

    @property
    def numbers(self) -> tuple[int, ...]:
        """What a launch must give: the varying offsets and strides of writes, then of reads."""
        every = [(a.offset, *a.strides) for a in (*self.write, *self.read)]
        return tuple([n for access in every for n in access if self.numbered and varies(n)])

    def bind(
        self, f: Function, writes: Sequence[str], reads: Sequence[str], first: int = 0
    ) -> Bound:
        """The buffers' addresses, offsets added: writes, then reads. first: the position of the
        first of `numbers` among the kernel's arguments."""
        given = (f.argument(first + i, "i64") for i in range(len(self.numbers)))
        addresses, strides = [], []
        names = (*self.write_dtypes, *self.read_dtypes)
        for pointer, access, name in zip((*writes, *reads), (*self.write, *self.read), names):
            offset, *steps = [
                next(given) if self.numbered and varies(n) else str(n)
                for n in (access.offset, *access.strides)
            ]
            addresses.append(f.at(pointer, offset, _kept(name)))
            strides.append(steps)
        return Bound(addresses, strides)

    def here(self, f: Function, bound: Bound, spot: Spot) -> Here:
        """The outlet at a tile."""
        places = []
        names = (*self.write_dtypes, *self.read_dtypes)
        for pointer, strides, name in zip(*bound, names):
            where = "0"
            for at, stride in zip(spot.index, strides):
                where = f.add(where, f.mul(at, stride))
            places.append(f.at(pointer, where, _kept(name)))
        return Here(self, f, places)


class Here:
    """An outlet with the addresses of one tile."""

    def __init__(self, outlet: Outlet, f: Function, places: list[str]) -> None:
        self.outlet = outlet
        self.f = f
        self.places = places
        #: What was read, by (number of the read, its place in the tile): a bias serves all pixels.
        self.loaded: dict[tuple[int, int], str] = {}

    def store(self, value: str, steps: Sequence[int], lanes: int, mask: str | None) -> None:
        """Send one vector on, `steps` along each axis from the tile's first element."""
        f, outlet = self.f, self.outlet
        values = [value]
        if outlet.graph is not None:
            # Rounded first: a number of 16 bits in a register is one of that type.
            value = vectors.rounded(f, outlet.graph.inputs[0].dtype, value, lanes)
            read = [self._read(number, steps, lanes, mask) for number in range(outlet.reads)]
            values = pointwise.emit(f, outlet.graph, [value, *read], lanes)
        for number, (one, access, name) in enumerate(
            zip(values, outlet.write, outlet.write_dtypes)
        ):
            pointer = f.at(self.places[number], str(_distance(steps, access)), _kept(name))
            vectors.store(f, BY_NAME[name], one, pointer, lanes, mask)

    def _read(self, number: int, steps: Sequence[int], lanes: int, mask: str | None) -> str:
        outlet = self.outlet
        access, dtype = outlet.read[number], BY_NAME[outlet.read_dtypes[number]]
        distance = _distance(steps, access)
        if (number, distance) not in self.loaded:
            place = self.places[outlet.writes + number]
            pointer = self.f.at(place, str(distance), vectors.memory_type(dtype))
            if access.strides[-1]:
                value = vectors.load(self.f, dtype, pointer, lanes, mask)
            else:
                value = vectors.load(self.f, dtype, pointer, 1)
                if lanes > 1:
                    value = self.f.splat(vectors.register_type(dtype, lanes), value)
            self.loaded[number, distance] = value
        return self.loaded[number, distance]


def outlet_of(
    epilogue: Epilogue | None, own: Access, read_dtypes: Sequence[str], write_dtypes: Sequence[str]
) -> Outlet | None:
    """The outlet of an op that stores by `own` unless it has an epilogue.

    None for accesses that are not along the lanes (other strides of the last axis, guards) and for
    graphs with ops that are not emitted.
    """
    if epilogue is None:
        return Outlet((), (), (own,), tuple(write_dtypes))
    plain = all(a.strides[-1] in (0, 1) and not a.guards for a in epilogue.reads)
    if not plain or any(a.strides[-1] != 1 or a.guards for a in epilogue.writes):
        return None
    graph = epilogue.graph
    for made in graph.instructions:
        operands = [graph.type_of(value).dtype for value in made.args]
        if made.op.name not in _FREE and not pointwise.supports(made, operands):
            return None
    return Outlet(epilogue.reads, tuple(read_dtypes), epilogue.writes, tuple(write_dtypes), graph)


def _along(access: Access, extents: tuple[int, ...]) -> Access:
    """The access without strides that are never gone along."""
    used = [stride if extent > 1 else 0 for stride, extent in zip(access.strides, extents)]
    return access._replace(strides=tuple(used))


def _kept(name: str) -> str:
    return vectors.memory_type(BY_NAME[name])


def _distance(steps: Sequence[int], access: Access) -> int:
    return sum(step * stride for step, stride in zip(steps, access.strides))
