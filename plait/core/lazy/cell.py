"""The storage cell: the memory that a tensor, its views and its detached twins share.

A cell holds its contents as a node. Memory that something outside Plait can see (a NumPy array
behind `from_numpy`, one handed out by `.numpy()`) is held as the array itself: reading takes a
snapshot, writing happens at once.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from weakref import ref

import numpy as np

from plait.core.batching.levels import body_era
from plait.core.ir.dtypes import dtype_of
from plait.core.ir.errors import error
from plait.core.ir.node import Node
from plait.core.ir.op import leaf
from plait.core.lazy.capture import current, forced, watch
from plait.core.lazy.recorder import recorder
from plait.core.lazy.replay.launch import compute, realize
from plait.core.runtime.crowd import crowd


def leaf_of(array: np.ndarray) -> Node:
    """A node for an array that nobody will write to."""
    return leaf(array, array.shape, dtype_of(array.dtype))


class _Unsettled(threading.local):
    """The cells of this thread whose present contents wait while `fallback` is kept."""

    def __init__(self) -> None:
        self.cells: list[ref[Cell]] = []
        self.trigger = 256

    def note(self, cell: Cell) -> None:
        self.cells.append(ref(cell))
        if len(self.cells) > self.trigger:
            self._waiting()
            self.trigger = max(256, 2 * len(self.cells))

    def _waiting(self) -> list[Cell]:
        """The cells that wait still; the others are forgotten."""
        found = {id(c): c for weak in self.cells if (c := weak()) is not None and c.fallback}
        waiting = list(found.values())
        if len(waiting) < len(self.cells):
            self.cells = [ref(cell) for cell in waiting]
        return waiting

    def besides(self, cells: Sequence[Cell]) -> list[Cell]:
        """The cells whose writes wait, without these."""
        if not cells:
            return self._waiting()
        known = {id(cell) for cell in cells}
        return [cell for cell in self._waiting() if id(cell) not in known]

    def roll_back(self, roots: list[Node]) -> None:
        """After a failure to compute `roots`: undo the writes that wait, as if the op at fault had
        raised at its line.

        Writes recorded after that op, and those that need it, go; earlier ones stay.
        """
        waiting, self.cells = self._waiting(), []
        later = _recorded_after_fault(roots)
        if later:
            recorder.undo_draws(later[0])
        undone = {id(node): node for node in later}
        for cell in waiting:
            if id(cell.node) in undone:
                cell.restore()
            else:
                try:
                    realize([cell.node])
                except Exception:
                    cell.restore()
            cell.fallback = None


_unsettled = _Unsettled()


def _checked_operands(roots: list[Node]) -> set[int]:
    """The ids of the waiting nodes with a check that `roots` are computed from."""
    seen: set[int] = set()
    found: set[int] = set()
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node.value is None and id(node) not in seen:
            seen.add(id(node))
            stack.extend(node.inputs)
            if node.op.check is not None:
                found.add(id(node))
    return found


def _recorded_after_fault(roots: list[Node]) -> list[Node]:
    """The waiting nodes that this thread recorded from the op on whose check fails for `roots`."""
    checked = _checked_operands(roots)
    nodes = recorder.in_order()
    for position, node in enumerate(nodes):
        if id(node) not in checked or node.value is not None:
            continue
        try:
            realize([node])
        except Exception:
            return nodes[position:]
    return []


def note_writes(cells: Iterable[Cell]) -> None:
    """Note that these cells were given contents that wait, and keep their fallbacks."""
    for cell in cells:
        _unsettled.note(cell)


def compute_all(cells: Iterable[Cell]) -> None:
    """Compute the contents of several cells in one run; a failure changes none of them.

    Other cells with writes that wait are computed in the same run: running statistics that are
    never read must not hold on to the values of one step after another.
    """
    if watch.active is not None:
        forced("values are computed")
    waiting = [cell for cell in cells if cell.shared is None and cell.node.value is None]
    if waiting:
        compute_nodes([cell.node for cell in waiting], cells=waiting)
        for cell in waiting:
            cell.fallback = None


def compute_nodes(
    nodes: list[Node], donors: Sequence[Node | None] = (), cells: Sequence[Cell] = ()
) -> None:
    """Compute nodes, and the writes that wait elsewhere, in one run.

    donors: as `compute` has it. cells: those that hold the nodes, if any.
    """
    others = _unsettled.besides(cells) if _unsettled.cells else []
    try:
        compute([*nodes, *[cell.node for cell in others]] if others else nodes, donors)
    except Exception:
        others = []
        try:
            # The fault may lie with the others: they keep it for their own readers.
            realize(nodes)
        except Exception:
            _unsettled.roll_back(nodes)
            raise
    for cell in others:
        cell.fallback = None


def settle() -> None:
    """Compute the writes that wait, where that can be: the end of a step that no optimizer ends.

    A loop that updates its parameters by hand and reads nothing would else record step after step,
    and come to graphs of many steps at once. A failure is left to whoever reads what it concerns.
    """
    cells = _unsettled.besides(())
    try:
        compute([cell.node for cell in cells], [cell.fallback for cell in cells])
    except Exception:
        return
    for cell in cells:
        cell.fallback = None


class Cell:
    """Contents: `node`, or the outside-visible array `shared`; `version` counts in-place writes.

    era: how many captures and bodies had begun when the cell was made (see `capture`).
    fallback: the contents before the writes that wait to be computed, kept until they are, so that
    a failure while computing them leaves the tensor as it was.
    """

    __slots__ = ("__weakref__", "_node", "era", "fallback", "shared", "version")

    def __init__(self, node: Node | None, shared: np.ndarray | None = None) -> None:
        self._node = node
        self.shared = shared
        self.fallback: Node | None = None
        self.version = 0
        self.era = watch.era

    @property
    def node(self) -> Node:
        """The contents as they are now; of shared memory, a snapshot."""
        node = self._node
        if node is not None and self.shared is None:
            return node
        with crowd.lock:
            if self.is_shared():
                assert self.shared is not None
                return leaf_of(self.shared.copy())
            assert self._node is not None
            return self._node

    def look(self, view: Callable[[np.ndarray], np.ndarray]) -> Node | None:
        """A snapshot of part of shared memory; None where the cell is not shared."""
        if self.shared is not None:
            self._reclaim()
            if self.shared is not None:
                return leaf_of(np.array(view(self.shared), order="C", copy=True))
        return None

    def is_shared(self) -> bool:
        """Whether something outside can see the memory now."""
        if self.shared is not None:
            self._reclaim()
        return self.shared is not None

    def _reclaim(self) -> None:
        """Take shared memory back as our own when nobody else holds the array any more."""
        with crowd.lock:
            array = self.shared
            if array is None:
                return
            # References: the slot, the local, the argument of getrefcount.
            if array.base is None and sys.getrefcount(array) <= ALONE and array.flags.c_contiguous:
                self._node = leaf_of(array)
                self.shared = None

    def require_writable(self) -> None:
        """Raise RuntimeError for memory from outside of a body of control flow being recorded."""
        if self.era < body_era():
            raise error(
                RuntimeError,
                "control flow: a body must not write to a tensor from outside of it: it is "
                "recorded once, and the write would not be made in each turn. Give the new value "
                "back as a result of the body",
            )

    def write(self, node: Node) -> None:
        """Replace the contents; into shared memory at once."""
        if watch.active is not None and (active := current()) is not None:
            if self.shared is not None and self.is_shared():
                active.interrupt("memory that NumPy can read is written")
            else:
                active.wrote(self)
        self.require_writable()
        if self.shared is not None and self.is_shared():
            realize([node])
            assert self.shared is not None
            np.copyto(self.shared, node.value)
            return
        old = self._node
        self._node = node
        if node.value is not None:
            self.fallback = None
        elif old is not None:
            if self.fallback is None or old.value is not None:
                # What an earlier write left may have been computed with something else.
                self.fallback = old
            _unsettled.note(self)

    def write_part(self, node: Node, view: Callable[[np.ndarray], np.ndarray]) -> bool:
        """Write a value to the part of the contents that a view sees, in place; False where either
        is not computed, or where anything else holds the memory."""
        self.require_writable()
        with crowd.lock:
            if node.value is None or self.shared is not None:
                return False
            array = self._take_memory()
            if array is None:
                return False
            self._node = leaf_of(array)
            part = view(array)
            if not part.flags.writeable or not np.may_share_memory(part, array):
                return False
            np.copyto(part, node.value)
            self.fallback = None
            return True

    def _take_memory(self) -> np.ndarray | None:
        """The computed contents, of which nothing but the caller holds the memory; None, with
        nothing changed, where something does."""
        node = self._node
        if node is None or node.value is None:
            return None
        array = node.value
        self._node = None
        # A lone node: the local and the argument. Its array: the node, the local, the argument.
        lone = sys.getrefcount(node) <= _LONE_NODE and sys.getrefcount(array) <= ALONE
        if lone and array.base is None and array.flags.writeable:
            return array
        self._node = node
        return None

    def restore(self) -> None:
        """Go back to the contents before the writes that wait."""
        self._node = self.fallback

    def compute(self) -> np.ndarray:
        """The contents as an array that must not be written.

        A failure puts the last computed contents back and is raised.
        """
        if watch.active is not None:
            forced("a value is needed")
        if self.shared is not None and self.is_shared():
            return self.shared
        # Another thread may write, or hand out, the contents meanwhile: these are what was there.
        node = self.node
        if node.value is None:
            compute_nodes([node], cells=(self,))
            if self._node is node:
                self.fallback = None
        if node.value is None:
            realize([node])
        assert node.value is not None, "computed"
        return node.value

    def export(self) -> np.ndarray:
        """The memory itself, from now on visible outside: no copy where nothing else refers
        to it."""
        if watch.active is not None:
            forced("a tensor is handed to NumPy")
        node = self._node
        if node is None or node.value is None or self.shared is not None:
            self.compute()
        del node  # who holds it decides whether its memory can be given away
        with crowd.lock:
            if self.is_shared():
                assert self.shared is not None
                return self.shared
            array = self._take_memory()
            if array is None:
                assert self._node is not None
                array = self._node.value.copy()
                self._node = None
            self.shared = array
            return array


def _probe() -> tuple[int, int]:
    class Holder:
        __slots__ = ("slot",)

    holder = Holder()
    holder.slot = np.empty(0)
    array = holder.slot
    alone = sys.getrefcount(array)
    node = Holder()
    return alone, sys.getrefcount(node)


#: Reference counts of an array held by one slot and one local, and of an object held by one local.
ALONE, _LONE_NODE = _probe()
