"""Graphs of TensorFlow 1: operations noted by name, whose values a session asks for.

A noted operation is a call of a public function (see `_dispatch.op`) whose tensors are symbols. To
run it is to call the function with their values: the core records and compiles what that makes.
Static shapes come from the same functions (see `_inference`).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.tf import errors, nest
from plait.tf._dispatch import carry_out, state, symbols
from plait.tf._dtypes import DType, as_dtype
from plait.tf._node_names import kind_of, name_of
from plait.tf._shape import TensorShape, TensorSpec
from plait.tf._tensor import Tensor
from plait.tf._variable import Variable


class Operation:
    """A call noted in a graph. outputs: its results, symbols for tensors."""

    def __init__(
        self,
        graph: Graph,
        name: str,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        self.graph = graph
        self.name = name
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.structure: Any = None
        self.outputs: list[Any] = []
        self.control_inputs: tuple[Operation, ...] = ()
        self.inputs: list[Any] = [x for x in leaves((args, kwargs)) if isinstance(x, Symbol)]

    @property
    def type(self) -> str:
        return kind_of(getattr(self.function, "__name__", "operation"))

    @property
    def node_def(self) -> Any:
        """The description: name, kind, names of what it takes."""
        from plait.tf.compat._definitions import node_of  # not at the top: it is of TensorFlow 1

        return node_of(self)

    @property
    def device(self) -> str:
        return ""

    def values(self) -> tuple[Any, ...]:
        return tuple(self.outputs)

    def run(self, feed_dict: Any = None, session: Any = None) -> None:
        """Run in a session, by default the one in force."""
        from plait.tf._session import default_session

        (session or default_session()).run(self, feed_dict)

    def execute(self, value: Callable[[Any], Any]) -> Any:
        """Call the function with values in place of symbols."""
        args, kwargs = substituted((self.args, self.kwargs), value)
        return carry_out(self.function.__dict__["plain"], args, kwargs)

    def __repr__(self) -> str:
        return f"<tf.Operation {self.name!r} type={self.type}>"


class Symbol(Tensor):
    """A tensor of a graph: shape and dtype are known, the value in a session."""

    __slots__ = ("_graph", "_key", "_operation", "_static", "_type")

    def __init__(self, operation: Operation, key: int, shape: TensorShape, dtype: DType) -> None:
        self._inner = None
        self._tapes = ()
        self._graph = operation.graph
        self._operation = operation
        self._key = key
        self._static = shape
        self._type = dtype

    @property
    def shape(self) -> TensorShape:
        return self._static

    def set_shape(self, shape: Any) -> None:
        """State what else is known of the shape."""
        self._static = self._static.merge_with(shape)

    @property
    def dtype(self) -> DType:
        return self._type

    @property
    def ndim(self) -> int:
        return len(self._static)

    @property
    def op(self) -> Operation:
        return self._operation

    @property
    def graph(self) -> Graph:
        return self._graph

    @property
    def name(self) -> str:
        return f"{self._operation.name}:{self._key}"

    @property
    def value_index(self) -> int:
        return self._key

    def consumers(self) -> list[Operation]:
        """The operations that take this tensor."""
        return [o for o in self._graph.operations if any(x is self for x in o.inputs)]

    def eval(self, feed_dict: Any = None, session: Any = None) -> Any:
        """The value in a session, by default the one in force."""
        from plait.tf._session import default_session

        return (session or default_session()).run(self, feed_dict)

    def present(self) -> Tensor:
        """The value in the run that goes on (for functions of users that hold symbols)."""
        if state.values is None:
            raise error(
                NotImplementedError,
                f"the tensor {self.name!r} of a graph has no value by itself: ask a session "
                "(sess.run), or build the function that uses it of TensorFlow's own",
            )
        return state.values(self)

    def inner(self) -> Any:
        return self.present().inner()

    def _array(self) -> Any:
        return self.present()._array()

    def numpy(self) -> Any:
        raise error(AttributeError, "'SymbolicTensor' object has no attribute 'numpy'")

    def __bool__(self) -> bool:
        if state.values is not None:
            return bool(self.present())
        raise error(
            TypeError,
            "Using a symbolic `tf.Tensor` as a Python `bool` is not allowed. Use tf.cond.",
        )

    def __len__(self) -> int:
        extent = self._static[0] if self._static.rank else None
        if extent is None:
            raise error(TypeError, f"len is not well defined for a symbolic Tensor ({self.name}).")
        return extent

    def __iter__(self) -> Iterator[Any]:
        if not self._static.rank or self._static[0] is None:
            raise error(TypeError, "Iterating over a symbolic `tf.Tensor` is not allowed.")
        from plait.tf._ops.arrays import unstack

        return iter(unstack(self))

    def __index__(self) -> int:
        return self.present().__index__()

    def __hash__(self) -> int:
        return id(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if state.values is not None:
            return self.present().__array__(dtype)
        raise error(
            NotImplementedError,
            f"Cannot convert a symbolic tf.Tensor ({self.name}) to a numpy array.",
        )

    def __reduce__(self) -> Any:
        raise error(TypeError, f"the tensor {self.name!r} of a graph cannot be pickled")

    def __format__(self, spec: str) -> str:
        return str(self)

    def __repr__(self) -> str:
        return f"<tf.Tensor {self.name!r} shape={self._static} dtype={self._type.name}>"

    def __str__(self) -> str:
        return f'Tensor("{self.name}", shape={self._static}, dtype={self._type.name})'


class Graph:
    """Operations, their names, and collections of what was made."""

    #: Whether == on tensors compares their values; TensorFlow 1 compares identity.
    tensor_equality = False

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.collections: dict[Any, list[Any]] = {}
        self.seed: int | None = None
        self.finalized = False
        self._names: dict[str, int] = {}
        self._scope = ""
        self._control: tuple[Operation, ...] = ()
        #: What variable scopes know: see `plait.tf.compat._scopes`.
        self.variable_store: dict[str, Any] = {}
        self.variable_scope: Any = None
        self._by_name: dict[str, Operation] = {}

    @contextlib.contextmanager
    def as_default(self) -> Iterator[Graph]:
        """The graph that operations are noted in."""
        before = state.graph
        state.graph = self
        _enable()
        try:
            yield self
        finally:
            state.graph = before

    def finalize(self) -> None:
        """Nothing can be added from now on."""
        self.finalized = True

    # -- names --------------------------------------------------------------------------------

    def unique_name(self, name: str) -> str:
        """The name in the present scope, with a number behind it where it is taken."""
        full = f"{self._scope}{name}"
        count = self._names.get(full)
        if count is None:
            self._names[full] = 0
            return full
        while True:
            count += 1
            made = f"{full}_{count}"
            if made not in self._names:
                break
        self._names[full] = count
        self._names[made] = 0
        return made

    def operation_name(self, name: str) -> str:
        """The name of a new operation: one that ends with a slash is a scope's, without it."""
        return name[:-1] if name.endswith("/") else self.unique_name(name)

    @contextlib.contextmanager
    def name_scope(self, name: str | None) -> Iterator[str]:
        """A stretch in which names begin with a scope's."""
        before = self._scope
        if not name:
            self._scope = ""
        elif name.endswith("/"):
            self._scope = name
        else:
            self._scope = self.unique_name(name) + "/"
        try:
            yield self._scope
        finally:
            self._scope = before

    def get_name_scope(self) -> str:
        return self._scope.rstrip("/")

    def get_operations(self) -> list[Operation]:
        return list(self.operations)

    def as_graph_def(self, from_version: Any = None, add_shapes: bool = False) -> Any:
        """The description of the graph: a `tf.GraphDef`."""
        from plait.tf.compat._definitions import definition_of  # as in `Operation.node_def`

        return definition_of(self)

    def get_operation_by_name(self, name: str) -> Operation:
        """Raises KeyError for an unknown name."""
        found = self._by_name.get(name)
        if found is None:
            raise error(KeyError, f"The name {name!r} refers to an Operation not in the graph.")
        return found

    def get_tensor_by_name(self, name: str) -> Any:
        """The tensor "operation:number". Raises ValueError, KeyError for others."""
        found = re.fullmatch(r"(.+):(\d+)", name)
        if found is None:
            raise error(
                ValueError,
                f"The name {name!r} looks like an (invalid) Operation name, not "
                "a Tensor. Tensor names must be of the form '<op_name>:<output_index>'.",
            )
        variable = self.variable_store.get(found[1])
        if variable is not None and found[1] not in self._by_name:
            return variable
        return self.get_operation_by_name(found[1]).outputs[int(found[2])]

    def as_graph_element(
        self, item: Any, allow_tensor: bool = True, allow_operation: bool = True, feed: bool = False
    ) -> Any:
        """The tensor or operation of a name. Raises TypeError (`feed`) or ValueError."""
        if not isinstance(item, str):
            return item
        try:
            return (
                self.get_tensor_by_name(item) if ":" in item else self.get_operation_by_name(item)
            )
        except (KeyError, ValueError):
            raise error(
                TypeError if feed else ValueError,
                f"{'feed_dict key' if feed else 'Fetch argument'} {item!r}: the name refers to "
                "nothing in the graph.",
            ) from None

    # -- collections --------------------------------------------------------------------------

    def add_to_collection(self, name: Any, value: Any) -> None:
        self.collections.setdefault(name, []).append(value)

    def add_to_collections(self, names: Any, value: Any) -> None:
        for name in [names] if isinstance(names, str) else dict.fromkeys(names or ()):
            self.add_to_collection(name, value)

    def get_collection(self, name: Any, scope: str | None = None) -> list[Any]:
        """A copy of a collection; only those whose names begin with `scope`, if given."""
        found = self.collections.get(name, [])
        return [v for v in found if scope is None or re.match(scope, getattr(v, "name", ""))]

    def get_collection_ref(self, name: Any) -> list[Any]:
        return self.collections.setdefault(name, [])

    # -- operations ---------------------------------------------------------------------------

    @contextlib.contextmanager
    def control_dependencies(self, control_inputs: Any) -> Iterator[None]:
        """A stretch whose operations run after those given (None: after none)."""
        before = self._control
        if control_inputs is None:
            self._control = ()
        else:
            given = [operation_of(x) for x in control_inputs]
            self._control = (*before, *[o for o in given if o is not None])
        try:
            yield
        finally:
            self._control = before

    def device(self, name: Any) -> Any:
        return contextlib.nullcontext()

    def add(self, operation: Operation, structure: Any, specs: list[Any]) -> Any:
        """Note an operation whose results have a structure; gives it with symbols for leaves."""
        if self.finalized:
            raise error(RuntimeError, "Graph is finalized and cannot be modified.")
        operation.control_inputs = self._control
        self.operations.append(operation)
        self._by_name[operation.name] = operation
        made = []
        for spec in specs:
            if isinstance(spec, TensorSpec):
                symbol = _symbol_of(spec, operation, len(operation.outputs))
                operation.outputs.append(symbol)
                made.append(symbol)
            else:
                made.append(spec)
        operation.structure = nest.pack_sequence_as(structure, made)
        if not operation.outputs:
            return operation
        return operation.structure


def _symbol_of(spec: Any, operation: Operation, number: int) -> Symbol:
    """A result of an operation; arrays (`_graph_arrays`) say themselves what stands for them."""
    made = getattr(spec, "symbol", None)
    return (
        Symbol(operation, number, spec.shape, spec.dtype)
        if made is None
        else made(operation, number)
    )


def operation_of(item: Any) -> Operation | None:
    """The operation behind a tensor, a variable or itself; None for values."""
    if isinstance(item, Operation):
        return item
    if isinstance(item, Symbol):
        return item.op
    if isinstance(item, Variable) and item.graph is not None:
        return operation_of(item.initializer)
    return None


def leaves(value: Any) -> Iterator[Any]:
    """All that a structure of arguments holds: lists, tuples, dicts and slices are gone through."""
    if isinstance(value, dict):
        for part in value.values():
            yield from leaves(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from leaves(part)
    elif isinstance(value, slice):
        yield from (value.start, value.stop, value.step)
    else:
        yield value


def substituted(value: Any, change: Callable[[Any], Any]) -> Any:
    """A structure of arguments with other leaves."""
    if isinstance(value, dict):
        return {key: substituted(part, change) for key, part in value.items()}
    if isinstance(value, list):
        return [substituted(part, change) for part in value]
    if isinstance(value, tuple):
        parts = [substituted(part, change) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, slice):
        return slice(*(substituted(x, change) for x in (value.start, value.stop, value.step)))
    return change(value) if isinstance(value, Symbol) else value


# -- noting calls ---------------------------------------------------------------------------------


#: A longer list of arguments is data, if its first entry is.
_LONG = 256


def _find(arguments: Any) -> Graph | None:
    """The graph of a symbol among arguments; None where there is none."""
    if isinstance(arguments, (Symbol, Variable)):
        return arguments.graph
    if isinstance(arguments, dict):
        arguments = list(arguments.values())
    elif isinstance(arguments, slice):
        arguments = (arguments.start, arguments.stop, arguments.step)
    elif not isinstance(arguments, (list, tuple)):
        return None
    if len(arguments) > _LONG:
        arguments = arguments[:1]
    for part in arguments:
        graph = _find(part)
        if graph is not None:
            return graph
    return None


def _enable() -> None:
    """From now on calls are looked at for symbols."""
    symbols["find"] = _find


def _record(graph: Graph, function: Callable[..., Any], args: Any, kwargs: Any, name: Any) -> Any:
    """Note a call; gives its result with symbols for tensors."""
    if not function.__dict__.get("takes_variable"):
        args, kwargs = _read_variables(graph, (args, kwargs))
    word = graph.operation_name(str(name) if name else name_of(function.__name__))
    operation = Operation(graph, word, function, args, kwargs)
    from plait.tf._inference import inferred  # not at the top: it builds on this module

    structure, specs = inferred(function, args, kwargs)
    return graph.add(operation, structure, specs)


symbols["record"] = _record


def _read_variables(graph: Graph, arguments: Any) -> Any:
    """Arguments with a reading of each variable in its place."""
    from plait.tf._variable import read

    def change(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: change(part) for key, part in value.items()}
        if isinstance(value, list):
            return [change(part) for part in value]
        if isinstance(value, tuple):
            parts = [change(part) for part in value]
            return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
        if isinstance(value, Variable) and (value.graph is graph or value.graph is None):
            return _record(graph, read, (value,), {}, f"{value.name[:-2]}/read")
        return value

    return change(arguments)


# -- placeholders and specs -----------------------------------------------------------------------


def _never() -> Any:
    raise error(errors.InvalidArgumentError, "You must feed a value for placeholder tensor")


_never.__dict__["plain"] = _never


def placeholder_in(graph: Graph, dtype: Any, shape: Any = None, name: str | None = None) -> Symbol:
    """A tensor of a graph whose value is fed."""
    operation = Operation(graph, graph.unique_name(name or "Placeholder"), _never, (), {})
    return graph.add(operation, None, [TensorSpec(shape, as_dtype(dtype))])


def result_spec(function: Callable[..., Any], element_spec: Any) -> Any:
    """The specs of what a function gives for an element of a data set."""
    graph = Graph()
    graph.tensor_equality = True
    # The symbols are gone when the specs are there: nobody need look for them later.
    looking = symbols["find"]
    try:
        return _specs_in(graph, function, element_spec)
    finally:
        symbols["find"] = looking


def _specs_in(graph: Graph, function: Callable[..., Any], element_spec: Any) -> Any:
    with graph.as_default():
        inputs = nest.map_structure(lambda s: placeholder_in(graph, s.dtype, s.shape), element_spec)
        result = function(*inputs) if type(inputs) is tuple else function(inputs)
        if type(result) is list:
            result = tuple(result)
        from plait.tf._ops.creation import convert_to_tensor

        def spec(value: Any) -> Any:
            made = convert_to_tensor(value)
            return TensorSpec(made.shape, made.dtype)

        return _specs(result, spec)


def _specs(value: Any, spec: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        return {key: _specs(part, spec) for key, part in value.items()}
    if isinstance(value, tuple):
        return tuple([_specs(part, spec) for part in value])
    return spec(value)
