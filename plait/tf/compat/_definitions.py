"""What describes a graph: `NodeDef` and `GraphDef`, with the fields that programs read and write.

They are no protocol buffers: a graph of Plait's holds Python functions, which these name and do not
carry. To keep a model as a file there are `tf.train.Saver` and `tf.saved_model`.
"""

from __future__ import annotations

import copy
from typing import Any, ClassVar

from plait.core.ir.errors import error


class _Message:
    """Fields with defaults, copied and compared as messages are."""

    _defaults: ClassVar[dict[str, Any]] = {}

    def __init__(self, **fields: Any) -> None:
        for name, default in self._defaults.items():
            setattr(self, name, copy.copy(default))
        for name, value in fields.items():
            if name not in self._defaults:
                raise error(
                    ValueError, f'Protocol message {type(self).__name__} has no "{name}" field.'
                )
            setattr(self, name, list(value) if isinstance(value, tuple) else value)

    def CopyFrom(self, other: Any) -> None:
        """Take over all fields of another message. Raises TypeError for one of another kind."""
        if type(other) is not type(self):
            raise error(
                TypeError,
                f"Parameter to CopyFrom() must be an instance of {type(self).__name__}, got "
                f"{type(other).__name__}",
            )
        for name in self._defaults:
            setattr(self, name, copy.deepcopy(getattr(other, name)))

    MergeFrom = CopyFrom

    def Clear(self) -> None:
        self.__init__()

    def ByteSize(self) -> int:
        raise _no_bytes(self)

    def SerializeToString(self) -> bytes:
        raise _no_bytes(self)

    def ParseFromString(self, serialized: bytes) -> int:
        raise _no_bytes(self)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        raise error(TypeError, f"unhashable object: {type(self).__name__}")

    def __repr__(self) -> str:
        lines = []
        for name in self._defaults:
            value = getattr(self, name)
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, _Message):
                    inside = repr(item).rstrip("\n").replace("\n", "\n  ")
                    lines.append(f"{name} {{\n  {inside}\n}}\n")
                elif isinstance(item, str) and item:
                    lines.append(f'{name}: "{item}"\n')
        return "".join(lines)


def _no_bytes(message: _Message) -> Exception:
    return error(
        NotImplementedError,
        f"{type(message).__name__}: Plait's graphs are not written as, nor read from, protocol "
        "buffers; keep variables with tf.train.Saver, functions with tf.saved_model.save",
    )


class NodeDef(_Message):
    """An operation: its name, its kind, and the names of what it takes ("^name" for what only has
    to run before)."""

    _defaults: ClassVar[dict[str, Any]] = {
        "name": "",
        "op": "",
        "input": [],
        "device": "",
        "attr": {},
    }


class VersionDef(_Message):
    """The version of a graph's format."""

    _defaults: ClassVar[dict[str, Any]] = {"producer": 0, "min_consumer": 0}


class _Nodes(list):
    """A repeated field of messages."""

    def add(self, **fields: Any) -> NodeDef:
        """A new message at the end."""
        made = NodeDef(**fields)
        self.append(made)
        return made


class GraphDef(_Message):
    """The operations of a graph."""

    node: _Nodes
    _defaults: ClassVar[dict[str, Any]] = {"node": _Nodes(), "versions": VersionDef()}


def node_of(operation: Any) -> NodeDef:
    """The description of an operation of a graph."""
    taken = []
    for symbol in operation.inputs:
        number = symbol.value_index
        taken.append(f"{symbol.op.name}:{number}" if number else symbol.op.name)
    before = [f"^{o.name}" for o in operation.control_inputs]
    return NodeDef(name=operation.name, op=operation.type, input=taken + before)


def definition_of(graph: Any) -> GraphDef:
    """The description of a graph."""
    made = GraphDef()
    made.node.extend(node_of(o) for o in graph.operations)
    return made
