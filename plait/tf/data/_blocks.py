"""`map` with parallel calls: many elements as one program.

A function whose operations give each element what they would give it alone (it moves, compares and
computes element by element: decoding, scaling, one-hot rows) is run on a block of elements at once,
by `vmap`. A sum or a product of matrices may be rounded otherwise in a block: a function with one
runs element by element, and so does one that draws, asks for values or writes. Elements are read
ahead, as TensorFlow does for parallel calls.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from collections.abc import Iterator as PythonIterator
from typing import Any

import numpy as np

from plait._functions.creation import from_numpy
from plait.compiler.compiled import Compiled
from plait.core.ir.graph import capture
from plait.core.ir.op import Lowering
from plait.core.lazy.capture import current
from plait.core.lazy.tensor import LazyTensor
from plait.func._vmap import vmap
from plait.tf import nest
from plait.tf._convert import convert
from plait.tf._dispatch import state
from plait.tf._ops.creation import convert_to_tensor
from plait.tf._tensor import Tensor
from plait.tf.data import _elements as el

#: Elements of a block.
_SIZE = 64
#: Operations whose result for an element does not depend on the others of a block.
_ALONE = (Lowering.SOURCE, Lowering.ELEMENTWISE, Lowering.VIEW, Lowering.GATHER, Lowering.ITEM)
_EXACT = frozenset(["all", "any", "argmax", "argmin", "max", "min", "check_range"])


class _Block:
    """A function of the elements of one kind (structure, shapes, dtypes), for a block of them."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._structure: Any = None
        self._program = Compiled(self._recorded, guarded=False)
        self._known = False

    def _of_one(self, structure: Any, *leaves: Any) -> tuple[Any, ...]:
        element = nest.pack_sequence_as(structure, [Tensor(x) for x in leaves])
        made = self._function(*element) if type(element) is tuple else self._function(element)
        self._structure = _tensors(tuple(made) if type(made) is list else made)
        return tuple([convert(x).inner() for x in nest.flatten(self._structure)])

    def _recorded(self, *stacked: Any) -> Any:
        made = vmap(lambda *x: self._of_one(self._given, *x))(*stacked)
        if not self._known:
            self._check(made)
            self._known = True
        return made

    def _check(self, results: Any) -> None:
        """Raise NotImplementedError where an operation may depend on the block, or one writes."""
        active = current()
        if active is None or active.written:
            raise NotImplementedError("a write")
        graph = capture([r.read() for r in results if isinstance(r, LazyTensor)]).graph
        for instruction in graph.instructions:
            op = instruction.op
            if op.lowering not in _ALONE and op.name not in _EXACT:
                raise NotImplementedError(op.name)

    def __call__(self, elements: list[Any]) -> list[Any]:
        """The results, element by element, as structures of arrays."""
        self._given = elements[0]
        columns = zip(*[nest.flatten(e) for e in elements])
        stacked = [from_numpy(np.array(column)) for column in columns]
        made = [np.asarray(r.detach()) for r in self._program(*stacked)]
        # Rows are copies: one element must not keep a whole block.
        rows = [[row.copy() for row in array] if array.ndim > 1 else list(map(_scalar, array))
                for array in made]  # fmt: skip
        return [nest.pack_sequence_as(self._structure, row) for row in zip(*rows)]


def _tensors(value: Any) -> Any:
    """What a function gives, with tensors for leaves: lists are tensors, as in `to_arrays`."""
    if isinstance(value, dict):
        return type(value)((key, _tensors(v)) for key, v in value.items())
    if isinstance(value, tuple):
        parts = [_tensors(v) for v in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return convert_to_tensor(value)


def _scalar(item: Any) -> np.ndarray:
    return np.asarray(item)


class Blocks:
    """An iterator over the results of a function: of blocks where it can be, else one by one."""

    def __init__(self, mapped: el.Mapped, source: PythonIterator[Any]) -> None:
        self._mapped, self._source = mapped, source
        self._ready: deque[Any] = deque()
        self._waiting: deque[Any] = deque()
        self._fault: Exception | None = None

    def __iter__(self) -> Blocks:
        return self

    def __next__(self) -> Any:
        if not self._ready and not self._waiting and self._mapped.is_long and not state.inside:
            self._read()
        if self._ready:
            return self._ready.popleft()
        if self._waiting:
            return el.results(self._mapped(self._waiting.popleft()))
        if self._fault is not None:
            fault, self._fault = self._fault, None
            raise fault
        return el.results(self._mapped(next(self._source)))

    def _read(self) -> None:
        """Read a block of elements; what its source raises comes after them."""
        elements: list[Any] = []
        try:
            while len(elements) < _SIZE:
                elements.append(next(self._source))
        except StopIteration:
            pass
        except Exception as fault:
            self._fault = fault
        made = self._mapped.block(elements) if len(elements) == _SIZE else None
        if made is None:
            self._waiting.extend(elements)
        else:
            self._ready.extend(made)


def block_of(function: Callable[..., Any]) -> Callable[[list[Any]], list[Any]]:
    """The function of a block of elements; calling it raises where that cannot be."""
    return _Block(function)
