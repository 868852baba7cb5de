"""The canonical graph of a captured region: interned, common sub-expressions merged.

`capture` walks recorded nodes without recursion and gives a `Graph`: inputs, instructions in an
order in which operands come first, and outputs. Two regions that compute the same thing in the
same order have equal `key`s: the identity by which programs are cached.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from plait.core.ir.derived import Derived
from plait.core.ir.extents import Varying
from plait.core.ir.node import Node, Spec
from plait.core.ir.op import ITEM, LEAF, Op


class Instruction(NamedTuple):
    """One step of a graph: `args` are value numbers; its own number is inputs + position.

    source: the user's line, of ops that can fail when they run. In a graph that is compiled for all
    who have its structure: the position in theirs, where the line is to be found.
    """

    op: Op
    args: tuple[int, ...]
    attrs: dict[str, Any]
    shape: Any
    dtype: Any
    source: str | int | None


class Graph:
    """A straight-line program in single-assignment form.

    Values 0 .. len(inputs)-1 are the inputs; instruction i makes value len(inputs)+i.
    keys: (op's name, args, frozen attributes) per instruction, where that is known already.
    """

    __slots__ = ("__weakref__", "_hash", "_key", "_keys", "inputs", "instructions", "outputs")

    def __init__(
        self,
        inputs: tuple[Spec, ...],
        instructions: tuple[Instruction, ...],
        outputs: tuple[int, ...],
        keys: tuple[tuple, ...] | None = None,
    ) -> None:
        self.inputs = inputs
        self.instructions = instructions
        self.outputs = outputs
        self._key: tuple | None = None
        self._hash: int | None = None
        self._keys = keys

    @property
    def key(self) -> tuple:
        """Hashable structure: equal keys mean equal computations."""
        if self._key is None:
            keys = self._keys
            if keys is None:
                keys = tuple([(i.op.name, i.args, freeze(i.attrs)) for i in self.instructions])
            specs = tuple([(spec.shape, _name_of(spec.dtype)) for spec in self.inputs])
            self._key = (specs, keys, self.outputs)
        return self._key

    @property
    def key_hash(self) -> int:
        """The hash of the key: to find it costs as much as an op or two."""
        if self._hash is None:
            self._hash = hash(self.key)
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Graph) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def type_of(self, value: int) -> Spec:
        """Shape and dtype of a value by its number."""
        if value < len(self.inputs):
            return self.inputs[value]
        made = self.instructions[value - len(self.inputs)]
        return Spec(made.shape, made.dtype)

    def replay(self, *inputs: Any) -> tuple[Any, ...]:
        """Apply the instructions to given values (nodes, tensors): one result per output.

        Nodes name the lines that recorded the instructions.
        """
        values: list[Any] = list(inputs)
        for made in self.instructions:
            args = [values[a] for a in made.args]
            if made.op is ITEM:
                values.append(args[0][made.attrs["index"]])
            else:
                values.append(made.op(*args, **made.attrs))
                if isinstance(made.source, str) and type(values[-1]) is Node:
                    values[-1].source = made.source
        return tuple(values[number] for number in self.outputs)

    def __repr__(self) -> str:
        return f"<Graph {len(self.inputs)} inputs, {len(self.instructions)} instructions>"


def _name_of(dtype: Any) -> Any:
    """A dtype as a key; those of an op with several outputs, where one of them is an input."""
    return tuple([d.name for d in dtype]) if isinstance(dtype, tuple) else dtype.name


class Capture(NamedTuple):
    """A graph with the nodes it stands for."""

    graph: Graph
    leaves: list[Node]
    nodes: list[Node]  # pending nodes, operands first
    numbers: dict[int, int]  # id(node) -> value number


def freeze(attrs: dict[str, Any]) -> tuple:
    """Attributes as a hashable key; floats by their bits (nan equals itself, 0.0 is not -0.0)."""
    if not attrs:
        return ()
    return tuple([(name, _freeze_value(attrs[name])) for name in sorted(attrs)])


#: Kinds whose equal values are the same value: their tuples are keys as they stand.
_PLAIN_KINDS = {int, Varying, Derived, str, type(None)}


def _freeze_value(value: Any) -> Any:
    kind = type(value)
    if kind is float:
        return ("float", value.hex())
    if kind is bool or kind is complex:
        return (kind.__name__, repr(value))
    if kind is tuple:
        if set(map(type, value)) <= _PLAIN_KINDS:
            return value
        return tuple([_freeze_value(v) for v in value])
    if kind is Graph:
        # Whoever holds a body names its lines, so that equal bodies of other lines are others.
        return value, tuple([made.source for made in value.instructions if made.op.check])
    return value


def order(roots: Sequence[Node], leaves: Sequence[Node] = ()) -> tuple[list[Node], list[Node]]:
    """(values, pending): the nodes that roots need, each once, operands before users.

    Nodes with a value, and those named in `leaves`, are boundaries.
    """
    boundary = {id(node) for node in leaves}
    seen: set[int] = set()
    values: list[Node] = list(leaves)
    pending: list[Node] = []
    stack: list[tuple[Node, bool]] = [(root, False) for root in reversed(roots)]
    while stack:
        node, operands_done = stack.pop()
        if operands_done:
            pending.append(node)
            continue
        if id(node) in seen or id(node) in boundary:
            continue
        seen.add(id(node))
        if node.value is not None:
            values.append(node)
            continue
        stack.append((node, True))
        for operand in reversed(node.inputs):
            if id(operand) not in seen:
                stack.append((operand, False))
    return values, pending


def capture(roots: Sequence[Node], leaves: Sequence[Node] = ()) -> Capture:
    """The canonical graph that computes `roots`. Its outputs are the roots, in order."""
    values, pending = order(roots, leaves)
    numbers = {id(node): i for i, node in enumerate(values)}
    instructions: list[Instruction] = []
    interned: dict[tuple, int] = {}
    first = len(values)
    #: Nodes made from one recipe share their attributes.
    frozen: dict[int, tuple] = {}
    for node in pending:
        args = tuple([numbers[id(operand)] for operand in node.inputs])
        attrs = frozen.get(id(node.attrs))
        if attrs is None:
            attrs = frozen[id(node.attrs)] = freeze(node.attrs)
        key = (node.op.name, args, attrs)
        number = interned.get(key)
        if number is None:
            number = first + len(instructions)
            interned[key] = number
            instructions.append(
                Instruction(node.op, args, node.attrs, node.shape, node.dtype, node.source)
            )
        numbers[id(node)] = number
    graph = Graph(
        tuple([Spec(node.shape, node.dtype) for node in values]),
        tuple(instructions),
        tuple([numbers[id(root)] for root in roots]),
        tuple(interned),
    )
    return Capture(graph, values, pending, numbers)


def trace(function: Any, specs: Sequence[Spec]) -> Graph:
    """The graph of a Python function of nodes, called once on placeholders of these types."""
    placeholders = [Node(LEAF, (), {"shape": s.shape, "dtype": s.dtype}) for s in specs]
    results = function(*placeholders)
    roots = list(results) if isinstance(results, tuple) else [results]
    return capture(roots, leaves=placeholders).graph
