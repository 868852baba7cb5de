"""Sessions of TensorFlow 1: values of variables, and runs of parts of a graph.

What is fetched, with what it needs, is run operation by operation at first; fetched again, it is
captured as one compiled program.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from plait.compiler.compiled import Compiled
from plait.core.ir.errors import error
from plait.tf import errors, nest
from plait.tf._convert import convert
from plait.tf._dispatch import state
from plait.tf._dtypes import string
from plait.tf._graph import Graph, Operation, Symbol
from plait.tf._ops.tensor_array import TensorArray
from plait.tf._tape import GradientTape
from plait.tf._tensor import Tensor
from plait.tf._variable import IndexedSlices, Variable, sessions

#: Runs of the same fetches before they are captured.
_PLAIN_RUNS = 2


class _Stack(threading.local):
    def __init__(self) -> None:
        self.sessions: list[Session] = []
        self.running: list[Session] = []


_stack = _Stack()


def default_session() -> Any:
    """The session in force. Raises ValueError where there is none."""
    if not _stack.sessions:
        raise error(
            ValueError,
            "Cannot execute operation using `run()`: No default session is registered. Use `with "
            "sess.as_default():` or pass an explicit session to `run(session=sess)`",
        )
    return _stack.sessions[-1]


class Session:
    """Holds the values of a graph's variables, and runs parts of the graph."""

    def __init__(self, target: str = "", graph: Graph | None = None, config: Any = None) -> None:
        from plait.tf.compat._scopes import default_graph

        self._graph = graph or default_graph()
        self._values: dict[int, Any] = {}
        self._programs: dict[Any, _Program] = {}
        self._closed = False

    @property
    def graph(self) -> Graph:
        return self._graph

    # -- contexts -----------------------------------------------------------------------------

    def as_default(self) -> _Default:
        """A context in which this session is in force, and its graph."""
        return _Default(self)

    def __enter__(self) -> Session:
        self._context = _Default(self)
        self._context.__enter__()
        return self

    def __exit__(self, *exc: Any) -> None:
        self._context.__exit__(*exc)
        self.close()

    def close(self) -> None:
        """Let the values go. Running again raises RuntimeError."""
        self._closed = True
        self._values.clear()
        self._programs.clear()

    def reset(self, *args: Any, **kwargs: Any) -> None:
        self.close()

    # -- variables ----------------------------------------------------------------------------

    def cell(self, variable: Variable) -> Any:
        """A variable's memory. Raises FailedPreconditionError before it has a value."""
        found = self._values.get(id(variable))
        if found is None:
            raise error(
                errors.FailedPreconditionError,
                f"Attempting to use uninitialized value {variable.name[:-2]}: run "
                "tf.global_variables_initializer() first",
            )
        return found[1]

    def store(self, variable: Variable, leaf: Any) -> None:
        """Give a variable its memory."""
        self._values[id(variable)] = (variable, leaf)

    def has(self, variable: Variable) -> bool:
        return id(variable) in self._values

    def load(self, variable: Variable, value: Any) -> None:
        """Write a value into a variable's memory."""
        from plait.tf._variable import new_leaf

        made = convert(value, variable.dtype)
        if not variable.shape.is_compatible_with(made.shape):
            raise error(
                ValueError,
                f"Cannot load a value of shape {made.shape} into the variable "
                f"{variable.name!r} of shape {variable.shape}",
            )
        self.store(variable, new_leaf(made))
        self._programs.clear()  # they write the memory that was

    # -- running ------------------------------------------------------------------------------

    def run(
        self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None
    ) -> Any:
        """The values of tensors (None of operations) in the structure of `fetches`.

        feed_dict: values of placeholders, or of any tensor. Raises TypeError, ValueError for what
        cannot be fetched or fed, and `tf.errors` for what operations raise.
        """
        if self._closed:
            raise error(RuntimeError, "Attempted to use a closed Session.")
        structure, items = self._fetched(fetches)
        feeds = self._fed(feed_dict)
        key = (tuple([id(i) for i in items]), tuple([id(s) for s in feeds]))
        program = self._programs.get(key)
        if program is None or program.operations != len(self._graph.operations):
            program = self._programs[key] = _Program(self, items, list(feeds))
        _stack.running.append(self)
        inside, graph, tapes = state.inside, state.graph, state.tapes
        state.inside, state.graph, state.tapes = True, None, ()
        try:
            values = program(list(feeds.values()))
        finally:
            state.inside, state.graph, state.tapes = inside, graph, tapes
            _stack.running.pop()
        return _shaped(structure, iter([_shown(v) for v in values]))

    def _fetched(self, fetches: Any) -> tuple[Any, list[Any]]:
        """(structure with numbers for leaves, the things fetched)."""
        items: list[Any] = []

        def visit(part: Any) -> Any:
            if isinstance(part, dict):
                return {key: visit(v) for key, v in part.items()}
            if isinstance(part, (list, tuple)):
                parts = [visit(v) for v in part]
                if isinstance(part, list):
                    return parts
                return type(part)(*parts) if hasattr(part, "_fields") else tuple(parts)
            items.append(self._element(part))
            return len(items) - 1

        return visit(fetches), items

    def _element(self, item: Any) -> Any:
        if isinstance(item, str):
            item = self._graph.as_graph_element(item)
        if isinstance(item, (Symbol, Operation)) and item.graph is not self._graph:
            raise error(ValueError, f"Tensor {item} is not an element of this graph.")
        if not isinstance(item, (Tensor, Variable, Operation, IndexedSlices)):
            raise error(
                TypeError,
                f"Fetch argument {item!r} has invalid type {type(item)}, must be a string or "
                "Tensor. (Can not convert a {0} into a Tensor or Operation.)".format(
                    type(item).__name__
                ),
            )
        return item

    def _fed(self, feed_dict: Any) -> dict[Symbol, Any]:
        feeds: dict[Symbol, Any] = {}
        for key, value in (feed_dict or {}).items():
            targets = key if isinstance(key, tuple) else (key,)
            values = value if isinstance(key, tuple) else (value,)
            for target, given in zip(targets, values):
                symbol = self._graph.as_graph_element(target, feed=True)
                if not isinstance(symbol, Symbol) or symbol.graph is not self._graph:
                    raise error(
                        TypeError,
                        f"Cannot interpret feed_dict key as Tensor: {target!r} is not an "
                        "element of this graph.",
                    )
                feeds[symbol] = _fed_value(symbol, given)
        return feeds


def _fed_value(symbol: Symbol, value: Any) -> Tensor:
    if isinstance(value, (Symbol, Variable)):
        raise error(
            TypeError,
            "The value of a feed cannot be a tf.Tensor object. Acceptable feed "
            "values include Python scalars, strings, lists, numpy ndarrays.",
        )
    if isinstance(value, Tensor):
        made = value
    else:
        made = _fed_array(symbol, value)
    if not symbol.shape.is_compatible_with(made.shape):
        raise error(
            ValueError,
            f"Cannot feed value of shape {tuple(made.shape)} for Tensor {symbol.name!r}, which has "
            f"shape {str(symbol.shape).replace('None', '?')!r}",
        )
    return made


def _fed_array(symbol: Symbol, value: Any) -> Tensor:
    """A Python value or an array as a tensor of the symbol's dtype."""
    if type(value) is int and symbol.dtype.is_integer:
        range_ = np.iinfo(symbol.dtype.core.numpy)
        if not range_.min <= value <= range_.max:
            raise error(
                TypeError,
                f"Type of feed value {value} with type {type(value)} is not compatible with Tensor "
                f"type {symbol.dtype.name}. Try explicitly setting the type of the feed tensor to "
                "a larger type (e.g. int64).",
            )
    try:
        array = np.asarray(value) if not isinstance(value, (str, bytes)) else value
        if isinstance(array, np.ndarray) and array.dtype.kind in "USO" and symbol.dtype != string:
            array = array.astype(symbol.dtype.core.numpy)
        return convert(array, symbol.dtype)
    except (ValueError, TypeError):
        raise error(
            ValueError,
            f"setting the feed of {symbol.name!r}: the value is not an array of "
            f"{symbol.dtype.name}",
        ) from None


def _shown(value: Any) -> Any:
    return value.numpy() if isinstance(value, Tensor) else value


def _shaped(structure: Any, values: Any) -> Any:
    if isinstance(structure, dict):
        return {key: _shaped(part, values) for key, part in structure.items()}
    if isinstance(structure, list):
        return [_shaped(part, values) for part in structure]
    if isinstance(structure, tuple):
        parts = [_shaped(part, values) for part in structure]
        return type(structure)(*parts) if hasattr(structure, "_fields") else tuple(parts)
    return next(values)


class _Default:
    def __init__(self, session: Any) -> None:
        self._session = session

    def __enter__(self) -> Any:
        _stack.sessions.append(self._session)
        self._graph = self._session.graph.as_default()
        self._graph.__enter__()
        return self._session

    def __exit__(self, *exc: Any) -> None:
        self._graph.__exit__(*exc)
        _stack.sessions.remove(self._session)


class InteractiveSession(Session):
    """A session that is in force as soon as it is made."""

    def __init__(self, target: str = "", graph: Graph | None = None, config: Any = None) -> None:
        super().__init__(target, graph, config)
        _stack.sessions.append(self)

    def close(self) -> None:
        if self in _stack.sessions:
            _stack.sessions.remove(self)
        super().close()


# -- programs -------------------------------------------------------------------------------------


class GradientsCall:
    """The function of an operation that differentiates: see `plait.tf.compat._gradients`."""

    def __init__(self, ys: list[Any], xs: list[Any], starts: list[Any], stops: list[Any]) -> None:
        self.ys, self.xs, self.starts, self.stops = ys, xs, starts, stops
        self.__name__ = "gradients"


class _Program:
    """The operations that some fetches need, in an order that can be run."""

    def __init__(self, session: Session, items: list[Any], feeds: list[Symbol]) -> None:
        self.session = session
        self.items = items
        #: How many operations the graph had: adding to it does not change what is there, but
        #: control dependencies of what is fetched may have grown.
        self.operations = len(session.graph.operations)
        order = _ordered(items, set(feeds))
        #: Operations that only fetch data (the next element of a data set), by nothing but what is
        #: fed: they run before the others, which are then a program of their results.
        self.sources = [
            o for o in order if o.function.__dict__.get("source") and _needs_only(o, set(feeds))
        ]
        self.feeds = [*feeds, *(out for o in self.sources for out in o.outputs if out not in feeds)]
        self.order = _ordered(items, set(self.feeds))
        self.watched = [
            x for o in self.order if isinstance(o.function, GradientsCall) for x in o.function.xs
        ]
        self.nested = self._needs_gradients_of_gradients()
        self.runs = 0
        #: Whether an operation does something that a replay would not do again.
        self.plain = any(o.function.__dict__.get("host") for o in self.order)
        self.compiled = Compiled(self._all, guarded=False)

    def __call__(self, feeds: list[Tensor]) -> list[Any]:
        self.runs += 1
        if self.sources:
            feeds = self._fetched(feeds)
        if self.plain or self.runs <= _PLAIN_RUNS:
            return self._all(*feeds)
        return self.compiled(*feeds)

    def _fetched(self, feeds: list[Tensor]) -> list[Tensor]:
        """What is fed, and the data that the sources give."""
        values: dict[Symbol, Any] = dict(zip(self.feeds, feeds))
        before = state.values
        state.values = lambda symbol: self._late(symbol, values)
        try:
            for operation in self.sources:
                self._execute(operation, values, None)
        finally:
            state.values = before
        return [values[symbol] for symbol in self.feeds]

    def _needs_gradients_of_gradients(self) -> bool:
        made: set[int] = set()
        for operation in self.order:
            if any(id(o) in made for o in _needs(operation)):
                if isinstance(operation.function, GradientsCall):
                    return True
                made.add(id(operation))
            elif isinstance(operation.function, GradientsCall):
                made.add(id(operation))
        return False

    def _all(self, *feeds: Tensor) -> list[Any]:
        values: dict[Symbol, Any] = dict(zip(self.feeds, feeds))
        before = state.values
        state.values = lambda symbol: self._late(symbol, values)
        tape = GradientTape(persistent=True) if self.watched else None
        try:
            if tape is None:
                self._run(values, None)
            else:
                with tape:
                    self._run(values, tape)
            return [self._value(item, values) for item in self.items]
        finally:
            state.values = before

    def _run(self, values: dict[Symbol, Any], tape: Any) -> None:
        symbols = {id(x) for x in self.watched}
        for x in self.watched:
            if isinstance(x, Variable):
                tape.watch(x)
        for symbol in self.feeds:
            if id(symbol) in symbols and symbol.dtype.is_floating:
                values[symbol] = Tensor(values[symbol]._inner)
                tape.watch(values[symbol])
        for operation in self.order:
            self._execute(operation, values, tape)
            for symbol in operation.outputs:
                if id(symbol) in symbols and symbol.dtype.is_floating:
                    tape.watch(values[symbol])

    def _execute(self, operation: Operation, values: dict[Symbol, Any], tape: Any) -> None:
        if isinstance(operation.function, GradientsCall):
            results = self._differentiate(operation.function, values, tape)
        elif operation.function.__name__ == "_never":
            raise error(
                errors.InvalidArgumentError,
                f"You must feed a value for placeholder tensor '{operation.name}' with dtype "
                f"{operation.outputs[0].dtype.name} and shape {operation.outputs[0].shape}",
            )
        else:
            made = operation.execute(values.__getitem__)
            results = [
                r._as_tf_tensor() if isinstance(r, Variable) else r
                for r in nest.flatten(made)
                if isinstance(r, (Tensor, Variable, TensorArray))
            ]
        for symbol, value in zip(operation.outputs, results):
            if symbol not in values:
                values[symbol] = value

    def _differentiate(self, call: GradientsCall, values: dict[Symbol, Any], tape: Any) -> Any:
        ys = [values[y] if isinstance(y, Symbol) else y for y in call.ys]
        xs = [values[x] if isinstance(x, Symbol) else x for x in call.xs]
        starts = [values[s] if isinstance(s, Symbol) else s for s in call.starts] or None
        if self.nested:
            found = tape.gradient(ys, xs, starts)
        else:
            with tape.stop_recording():
                found = tape.gradient(ys, xs, starts)
        from plait.tf._ops.creation import zeros_like

        return [zeros_like(x) if g is None else g for g, x in zip(found, xs)]

    def _late(self, symbol: Symbol, values: dict[Symbol, Any]) -> Any:
        """The value of a symbol that only a function of the user's holds."""
        if symbol not in values:
            for operation in _ordered([symbol], set(values)):
                if any(out not in values for out in operation.outputs) or not operation.outputs:
                    self._execute(operation, values, None)
        return values[symbol]

    def _value(self, item: Any, values: dict[Symbol, Any]) -> Any:
        if isinstance(item, Operation):
            return None
        made = values[item] if isinstance(item, Symbol) else item
        if isinstance(made, Variable):
            made = made._as_tf_tensor()
        if isinstance(made, Tensor) and made.dtype.is_floating and made._inner.requires_grad:
            return Tensor(made._inner.detach())  # the tape of this run is over
        return made


def _needs(operation: Operation) -> list[Operation]:
    """The operations that have to run before one."""
    found = [x.op for x in operation.inputs]
    if isinstance(operation.function, GradientsCall):
        call = operation.function
        found += [x.op for x in (*call.ys, *call.xs, *call.starts) if isinstance(x, Symbol)]
    held = operation.__dict__.get("members", ())
    return [*found, *operation.control_inputs, *held]


def _needs_only(operation: Operation, known: set[Symbol]) -> bool:
    """Whether all that an operation needs is known."""
    return all(o.outputs and known.issuperset(o.outputs) for o in _needs(operation))


def _ordered(items: list[Any], known: set[Symbol]) -> list[Operation]:
    """The operations that items need and that are not known, operands first."""
    done: set[int] = set()
    order: list[Operation] = []
    waiting: list[tuple[Operation, bool]] = []
    for item in reversed(items):
        if isinstance(item, Symbol) and item not in known:
            waiting.append((item.op, False))
        elif isinstance(item, Operation):
            waiting.append((item, False))
    while waiting:
        operation, ready = waiting.pop()
        if ready:
            order.append(operation)
            continue
        if id(operation) in done:
            continue
        done.add(id(operation))
        waiting.append((operation, True))
        for needed in reversed(_needs(operation)):
            if id(needed) not in done and not (
                needed.outputs and all(out in known for out in needed.outputs)
            ):
                waiting.append((needed, False))
    return order


# -- variables of graphs --------------------------------------------------------------------------


def _cell(variable: Variable) -> Any:
    if state.probing:
        return _stand_in(variable)
    if _stack.running:
        return _stack.running[-1].cell(variable)
    return default_session().cell(variable)


def _stand_in(variable: Variable) -> Any:
    """Memory of the variable's shape, while an operation is tried out."""
    import plait

    extents = tuple([6 if e is None else e for e in variable.shape])
    return plait.zeros(extents, dtype=variable.dtype.core)


def _store(variable: Variable, leaf: Any) -> None:
    (_stack.running[-1] if _stack.running else default_session()).store(variable, leaf)


sessions.update(cell=_cell, store=_store, default=default_session)
