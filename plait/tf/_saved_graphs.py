"""Functions as text: graphs that a saved model holds, and that are read without running code.

A graph has fixed extents. Where a signature leaves the first extent open, the function is recorded
at three of them: numbers of the text that differ must grow evenly with the extent, and the text is
written with `a*n+b` in their places.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from plait._higher_order_ops._bodies import record
from plait._higher_order_ops._traced import Outside
from plait.core.ir.errors import error
from plait.core.ir.graph import capture, trace
from plait.core.ir.text import from_text, to_text
from plait.core.ir.verify import verify
from plait.core.lazy.capture import Capture
from plait.core.lazy.modes import grad_mode
from plait.tf import nest
from plait.tf._autograph import bodies
from plait.tf._convert import convert
from plait.tf._shape import TensorSpec
from plait.tf._tensor import Tensor

#: Extents at which open signatures are recorded: primes that programs hardly have by themselves.
_EXTENTS = (137, 149, 163)
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?![\w.])")


class _Type:
    """The type of an argument."""

    def __init__(self, spec: TensorSpec, extent: int) -> None:
        self.shape = tuple([extent if e is None else e for e in spec.shape])
        self.dtype = spec.dtype.core


class Recorded:
    """A function at one extent. text: its graph, whose inputs are the arguments, then `leaves`:
    (the number of a cell that was there before, or None; its array). written: the variables that
    its last results belong to."""

    def __init__(self, function: Callable[..., Any], specs: list[TensorSpec], extent: int) -> None:
        with grad_mode(False):
            self.outside = Outside()
        found: list[Any] = []
        active = Capture(whole=True)
        if not active.begin():
            raise error(RuntimeError, "a model cannot be saved in a function that is being traced")

        def body(*tensors: Any) -> tuple[()]:
            with bodies.body(active) as writes, grad_mode(False):
                found.extend([function(*[Tensor(t) for t in tensors]), writes])
            return ()

        try:
            types = [_Type(spec, extent) for spec in specs]
            made = record("tf.saved_model.save", body, types, self.outside)
            result, writes = found
            self.structure = result
            leaves = [convert(x).inner() for x in nest.flatten(result)]
            self.written = list(writes.variables.values())
            leaves += [writes.values[id(v)] for v in self.written]
            nodes = [self._node(x) for x in leaves]
            inside = capture(nodes, leaves=[*made.inputs, *self.outside.nodes]).graph
            self.text = to_text(self._with_surroundings(active, inside))
        finally:
            active.close()
            active.roll_back()

    def _with_surroundings(self, active: Capture, body: Any) -> Any:
        """The graph with all that is made of variables and constants without an argument."""
        around = capture([tensor.read() for tensor in self.outside.tensors])
        cells = {id(held.node): cell for cell, held in active.inputs.items()}
        self.leaves = [(cells.get(id(leaf)), leaf.value) for leaf in around.leaves]
        count = len(body.inputs) - len(self.outside.nodes)
        inputs = [*body.inputs[:count], *around.graph.inputs]
        return trace(lambda *x: body.replay(*x[:count], *around.graph.replay(*x[count:])), inputs)

    def _node(self, x: Any) -> Any:
        return self.outside.node_in(x)


def is_open(specs: list[TensorSpec]) -> bool:
    """Whether signatures leave their first extent open. Raises ValueError for other extents."""
    for spec in specs:
        if spec.shape.rank is None or any(e is None for e in list(spec.shape)[1:]):
            raise error(
                ValueError,
                f"tf.saved_model.save: {spec} leaves more open than the first extent; state the "
                "others, or save a function for each shape",
            )
    return any(e is None for spec in specs for e in spec.shape)


def recorded(function: Callable[..., Any], specs: list[TensorSpec]) -> tuple[Recorded, str]:
    """(a function at one extent, its text for every extent). Raises ValueError where the function
    does another thing for each."""
    first = Recorded(function, specs, _EXTENTS[0])
    if not is_open(specs):
        return first, first.text
    others = [Recorded(function, specs, n).text for n in _EXTENTS[1:]]
    return first, _template([first.text, *others])


def _template(texts: list[str]) -> str:
    pieces = [_NUMBER.split(text) for text in texts]
    numbers = [[int(n) for n in _NUMBER.findall(text)] for text in texts]
    fault = error(
        ValueError,
        "tf.saved_model.save: a function whose signature leaves an extent open must do the same "
        "for every extent; state the extent in its input_signature",
    )
    if any(p != pieces[0] for p in pieces):
        raise fault
    a, b, _ = _EXTENTS
    made = [pieces[0][0]]
    for piece, row in zip(pieces[0][1:], zip(*numbers)):
        slope, rest = divmod(row[1] - row[0], b - a)
        start = row[0] - slope * a
        if rest or any(slope * n + start != value for n, value in zip(_EXTENTS, row)):
            raise fault
        made += [str(start) if slope == 0 else f"{{{slope}*n{start:+d}}}", piece]
    return "".join(made)


def graph_of(text: str, extent: int | None) -> Any:
    """The graph of a text. Raises ValueError for what is none."""

    def number(found: re.Match[str]) -> str:
        return str(int(found[1]) * int(extent or 0) + int(found[2]))

    return verify(from_text(re.sub(r"\{(-?\d+)\*n([+-]\d+)\}", number, text)))
