"""The node: one recorded operation, or one value.

A node is `(op, inputs, attrs) -> shape, dtype`, made once and never changed, save for one fact:
when it has been computed, `value` holds the result and the inputs are let go, so that lifetime is
by reference count alone. An op with several outputs makes one node whose `shape` and `dtype` are
tuples; `item` nodes pick its parts.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from plait.core.ir.dtypes import DType
from plait.core.ir.errors import user_location

if TYPE_CHECKING:
    from plait.core.ir.op import Op


class Owner:
    """Whose recorded nodes are: a thread's, or one run's of it (see core/lazy/replay).

    disturbed: some of them got their values outside of the run's own launches, so that what waits
    is no longer told by the way of recording alone. left: the launch after which the run was left
    although a backward pass may come back to it (see core/lazy/replay/launch), else None.
    """

    __slots__ = ("disturbed", "left", "thread")

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.disturbed = False
        self.left: Any = None

    @property
    def is_foreign(self) -> bool:
        """Whether this is another thread than the present one."""
        return self.thread != threading.get_ident()


class _Here(threading.local):
    """owner: that of what this thread records outside of any run."""

    def __init__(self) -> None:
        self.owner = Owner()


here = _Here()


class Node:
    """One operation in a recorded graph.

    shape: tuple of ints (a tuple of shapes for several outputs); dtype likewise.
    value: None until computed, then the array (owned by the runtime, never written again).
    source: the user's line, kept for the ops that can fail when they run.
    run, place: where the recorder has entered the node (see core/lazy/replay). run is the owner;
    None where a node is made with its value.
    """

    __slots__ = (
        "__weakref__",
        "attrs",
        "dtype",
        "inputs",
        "op",
        "place",
        "run",
        "shape",
        "source",
        "value",
    )

    def __init__(self, op: Op, inputs: tuple[Node, ...], attrs: dict[str, Any]) -> None:
        self.shape, self.dtype = op.infer(*inputs, **attrs)
        self.op = op
        self.inputs: tuple[Node, ...] = inputs
        self.attrs = attrs
        self.value: Any = None
        self.source = user_location(2) if op.check is not None else None
        self.run: Owner | None = here.owner
        self.place = 0

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements of a single-output node."""
        count = 1
        for extent in self.shape:
            count *= extent
        return count

    def set_value(self, value: Any) -> None:
        """Hold the computed result and let the inputs go."""
        self.value = value
        self.inputs = ()

    def __repr__(self) -> str:
        state = "pending" if self.value is None else "computed"
        return f"<Node {self.op.name} {self.dtype}{list(self.shape)} {state}>"


class Spec:
    """Stands for a value of which only shape and dtype are known (see `Op.saves`)."""

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: DType) -> None:
        self.shape = shape
        self.dtype = dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        count = 1
        for extent in self.shape:
            count *= extent
        return count

    def bind(self, op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        raise AssertionError(
            f"the derivative that applies {op.name} uses a value that its record does not list in "
            f"`saves`"
        )

    def __repr__(self) -> str:
        return f"{self.dtype}{list(self.shape)}"


class Unneeded(Spec):
    """Stands for a value that only unneeded gradients read: whatever is made of it is unneeded."""

    __slots__ = ()

    def bind(self, op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        shape, dtype = op.infer(*inputs, **attrs)
        if isinstance(dtype, tuple):
            return tuple([Unneeded(s, d) for s, d in zip(shape, dtype)])
        return Unneeded(shape, dtype)
