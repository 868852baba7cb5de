"""The default graph, variables of graphs, and variable scopes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from plait.core.ir.errors import error
from plait.tf import nest
from plait.tf._convert import convert
from plait.tf._dispatch import op, state
from plait.tf._dtypes import as_dtype, float32
from plait.tf._graph import Graph, Operation, Symbol, _enable, operation_of, placeholder_in
from plait.tf._shape import TensorShape, TensorSpec
from plait.tf._tensor import Tensor
from plait.tf._variable import Variable, new_leaf, sessions
from plait.tf.initializers import GlorotUniform, Zeros


class GraphKeys:
    """The names of a graph's collections."""

    GLOBAL_VARIABLES = "variables"
    LOCAL_VARIABLES = "local_variables"
    MODEL_VARIABLES = "model_variables"
    TRAINABLE_VARIABLES = "trainable_variables"
    SUMMARIES = "summaries"
    QUEUE_RUNNERS = "queue_runners"
    REGULARIZATION_LOSSES = "regularization_losses"
    LOSSES = "losses"
    UPDATE_OPS = "update_ops"
    GLOBAL_STEP = "global_step"
    INIT_OP = "init_op"
    TRAIN_OP = "train_op"
    METRIC_VARIABLES = "metric_variables"
    MOVING_AVERAGE_VARIABLES = "moving_average_variables"
    ACTIVATIONS = "activations"
    WEIGHTS = "weights"
    BIASES = "biases"
    SAVERS = "savers"
    TABLE_INITIALIZERS = "table_initializer"


class _Default(threading.local):
    def __init__(self) -> None:
        self.graph = Graph()
        #: Whether the program has asked for eager execution.
        self.eager_asked = False


_default = _Default()


def default_graph() -> Graph:
    """The graph in force: that being built, or the default one."""
    return state.graph if state.graph is not None else _default.graph


def reset_default_graph() -> None:
    """Begin with an empty default graph."""
    before, _default.graph = _default.graph, Graph()
    if state.graph is before:
        state.graph = _default.graph


def disable_eager_execution() -> None:
    """From now on operations are noted in the default graph."""
    _enable()
    if state.graph is None:
        state.graph = _default.graph


def enable_eager_execution(*args: Any, **kwargs: Any) -> None:
    """From now on operations run at once."""
    _default.eager_asked = True
    state.graph = None


def asked_for_eager() -> bool:
    """Whether the program has asked for operations to run at once."""
    return _default.eager_asked


def placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> Symbol:
    """A tensor that is fed. Raises RuntimeError while operations run at once."""
    if state.graph is None:
        raise error(
            RuntimeError,
            "tf.placeholder() is not compatible with eager execution: call "
            "tf.compat.v1.disable_eager_execution() first",
        )
    return placeholder_in(state.graph, dtype, shape, name)


@op
def placeholder_with_default(input: Any, shape: Any = None) -> Any:
    """A tensor that may be fed, and has a value where it is not."""
    return convert(input)


placeholder_with_default.__dict__["infer"] = lambda input, shape=None: TensorSpec(
    input.shape if shape is None else shape, convert(input).dtype
)


# -- variables ------------------------------------------------------------------------------------


@op
def initialize(variable: Any, value: Any) -> Any:
    """Give a variable of a graph its first value."""
    made = convert(
        value() if callable(value) and not isinstance(value, Tensor) else value, variable.dtype
    )
    variable._replace(new_leaf(made))
    return None


initialize.__dict__.update(takes_variable=True, host=True, infer=lambda variable, value: None)


def _create(
    cls: type,
    initial_value: Any = None,
    trainable: Any = None,
    *args: Any,
    name: Any = None,
    dtype: Any = None,
    constraint: Any = None,
    collections: Any = None,
    shape: Any = None,
    validate_shape: bool = True,
    **kwargs: Any,
) -> Variable:
    """A variable of the graph being built; its initializer is an operation of it."""
    graph = state.graph
    if args and isinstance(args[0], (list, tuple)):
        collections = args[0]  # TensorFlow 1 has collections third
    if initial_value is None:
        raise error(ValueError, "initial_value must be specified.")
    value = (
        initial_value()
        if callable(initial_value) and not isinstance(initial_value, (Tensor, Variable))
        else initial_value
    )
    if not isinstance(value, Symbol):
        value = convert(value, dtype)
    elif dtype is not None and value.dtype != as_dtype(dtype):
        raise error(
            ValueError,
            f"Tensor conversion requested dtype {as_dtype(dtype).name} for Tensor with "
            f"dtype {value.dtype.name}: {value}",
        )
    variable: Variable = object.__new__(cls)
    trained = True if trainable is None else trainable
    form = value.shape if validate_shape and shape is None else TensorShape(shape)
    variable._set_up(form, value.dtype, graph.unique_name(name or "Variable"), trained, constraint)
    variable._graph, variable._initial = graph, value
    graph.variable_store[variable._name] = variable
    keys = [GraphKeys.GLOBAL_VARIABLES] if collections is None else list(collections)
    if trained and GraphKeys.TRAINABLE_VARIABLES not in keys:
        keys.append(GraphKeys.TRAINABLE_VARIABLES)
    graph.add_to_collections(keys, variable)
    control, graph._control = graph._control, ()
    try:
        operation = Operation(graph, f"{variable._name}/Assign", initialize, (variable, value), {})
        variable._initializer = graph.add(operation, None, [None])
    finally:
        graph._control = control
    return variable


sessions["create"] = _create


def group(*inputs: Any, name: str | None = None, **kwargs: Any) -> Any:
    """An operation that runs others; nothing where operations run at once."""
    if state.graph is None or state.inside:
        return None
    members = [o for o in map(operation_of, nest.flatten(list(inputs))) if o is not None]
    made = Operation(state.graph, state.graph.unique_name(name or "group_deps"), _nothing, (), {})
    made.members = members  # type: ignore[attr-defined]  # what `_session._needs` looks for
    return state.graph.add(made, None, [None])


def _nothing() -> None:
    return None


_nothing.__dict__["plain"] = _nothing


def no_op(name: str | None = None) -> Any:
    """An operation that does nothing."""
    return group(name=name or "NoOp")


def variables_initializer(var_list: Any, name: str = "init") -> Any:
    """An operation that runs the initializers of variables."""
    return group(*[v.initializer for v in var_list if v.graph is not None], name=name)


def global_variables(scope: str | None = None) -> list[Variable]:
    """The variables of the graph; only those whose names begin with `scope`, if given."""
    return default_graph().get_collection(GraphKeys.GLOBAL_VARIABLES, scope)


def trainable_variables(scope: str | None = None) -> list[Variable]:
    """The variables that optimizers train."""
    return default_graph().get_collection(GraphKeys.TRAINABLE_VARIABLES, scope)


def local_variables(scope: str | None = None) -> list[Variable]:
    """The variables that are not saved."""
    return default_graph().get_collection(GraphKeys.LOCAL_VARIABLES, scope)


def model_variables(scope: str | None = None) -> list[Variable]:
    """The variables that a program has put into that collection."""
    return default_graph().get_collection(GraphKeys.MODEL_VARIABLES, scope)


def moving_average_variables(scope: str | None = None) -> list[Variable]:
    """The variables of which moving averages are kept."""
    return default_graph().get_collection(GraphKeys.MOVING_AVERAGE_VARIABLES, scope)


def global_variables_initializer() -> Any:
    """An operation that runs the initializers of the graph's variables."""
    return variables_initializer(global_variables())


def local_variables_initializer() -> Any:
    """An operation that runs the initializers of local variables."""
    return variables_initializer(local_variables(), "init_local")


@op
def is_variable_initialized(variable: Any) -> Any:
    """Whether a variable has a value in the session."""
    from plait.tf._session import _stack

    return convert(bool(_stack.running and _stack.running[-1].has(variable)))


is_variable_initialized.__dict__.update(
    takes_variable=True, host=True, infer=lambda variable: TensorSpec((), "bool")
)


@op
def report_uninitialized_variables(var_list: Any = None) -> Any:
    """The names of the variables without a value in the session."""
    import numpy as np

    from plait.tf._session import _stack
    from plait.tf._tensor import of_array

    missing = [v.name[:-2].encode() for v in var_list if not _stack.running[-1].has(v)]
    return of_array(np.array(missing, object))


report_uninitialized_variables.__dict__.update(
    takes_variable=True, host=True, infer=lambda var_list=None: TensorSpec([None], "string")
)


# -- scopes ---------------------------------------------------------------------------------------

AUTO_REUSE = "auto_reuse"


class VariableScope:
    """The names and defaults of variables made by `get_variable`."""

    def __init__(
        self,
        reuse: Any = None,
        name: str = "",
        initializer: Any = None,
        regularizer: Any = None,
        dtype: Any = float32,
        constraint: Any = None,
    ) -> None:
        self.reuse = reuse
        self.name = name
        self.initializer = initializer
        self.regularizer = regularizer
        self.dtype = as_dtype(dtype)
        self.constraint = constraint
        self.original_name_scope = name + "/" if name else ""

    def reuse_variables(self) -> None:
        """From now on variables of the scope are those that are there."""
        self.reuse = True

    def set_initializer(self, initializer: Any) -> None:
        self.initializer = initializer

    def get_collection(self, name: Any) -> list[Any]:
        return default_graph().get_collection(name, self.name + "/")

    def trainable_variables(self) -> list[Any]:
        return self.get_collection(GraphKeys.TRAINABLE_VARIABLES)

    def global_variables(self) -> list[Any]:
        return self.get_collection(GraphKeys.GLOBAL_VARIABLES)


def get_variable_scope() -> VariableScope:
    """The scope in force."""
    graph = default_graph()
    if graph.variable_scope is None:
        graph.variable_scope = VariableScope()
    return graph.variable_scope


class variable_scope:
    """A context in which variables' names begin with a scope's, and may be used again."""

    def __init__(
        self,
        name_or_scope: Any,
        default_name: Any = None,
        values: Any = None,
        initializer: Any = None,
        regularizer: Any = None,
        caching_device: Any = None,
        partitioner: Any = None,
        custom_getter: Any = None,
        reuse: Any = None,
        dtype: Any = None,
        use_resource: Any = None,
        constraint: Any = None,
        auxiliary_name_scope: bool = True,
    ) -> None:
        if name_or_scope is None and default_name is None:
            raise error(TypeError, "If default_name is None then name_or_scope is required")
        self._name, self._default_name = name_or_scope, default_name
        self._new = (initializer, regularizer, reuse, dtype, constraint)

    def __enter__(self) -> VariableScope:
        graph = default_graph()
        before = get_variable_scope()
        initializer, regularizer, reuse, dtype, constraint = self._new
        outer = before
        if isinstance(self._name, VariableScope):
            outer, name = self._name, self._name.name
        else:
            word = self._name
            if word is None:
                word = _free_name(graph, before.name, self._default_name)
            name = f"{before.name}/{word}" if before.name and word else word or before.name
        made = VariableScope(
            reuse if reuse is not None else (outer.reuse or before.reuse),
            name,
            initializer if initializer is not None else outer.initializer,
            regularizer if regularizer is not None else outer.regularizer,
            dtype or outer.dtype,
            constraint or outer.constraint,
        )
        last = name.rsplit("/", 1)[-1] if name else ""
        self._names = graph.name_scope(last or None)
        made.original_name_scope = self._names.__enter__()
        self._graph, self._before = graph, before
        graph.variable_scope = made
        return made

    def __exit__(self, *exc: Any) -> None:
        inside = self._graph.variable_scope.name
        self._graph.variable_scope = self._before
        # Entered again, the scope gives its parts the same names.
        used = self._graph.variable_store.get("scopes used", {})
        for name in [n for n in used if inside and n.startswith(inside + "/")]:
            del used[name]
        self._names.__exit__(*exc)


def _free_name(graph: Graph, outer: str, word: str) -> str:
    """A scope name that no variable's name begins with yet."""
    used = graph.variable_store.setdefault("scopes used", {})
    full = f"{outer}/{word}" if outer else word
    number = used.get(full, 0)
    used[full] = number + 1
    return f"{word}_{number}" if number else word


def get_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: Any = None,
    collections: Any = None,
    caching_device: Any = None,
    partitioner: Any = None,
    validate_shape: bool = True,
    use_resource: Any = None,
    custom_getter: Any = None,
    constraint: Any = None,
    synchronization: Any = None,
    aggregation: Any = None,
) -> Variable:
    """The variable of a name in the scope: a new one, or, with reuse, that which is there.

    Raises ValueError for a name that is taken without reuse, or with reuse is not there, and for
    another shape than the variable has.
    """
    graph = default_graph()
    scope = get_variable_scope()
    full = f"{scope.name}/{name}" if scope.name else name
    there = graph.variable_store.get(full)
    if there is not None:
        return _again(there, full, scope, shape, dtype)
    if scope.reuse is True:
        raise error(
            ValueError,
            f"Variable {full} does not exist, or was not created with "
            "tf.get_variable(). Did you mean to set reuse=tf.AUTO_REUSE in VarScope?",
        )
    kind = as_dtype(dtype) if dtype is not None else scope.dtype
    value = _first_value(
        full, shape, kind, scope.initializer if initializer is None else initializer
    )
    held, graph._scope = graph._scope, ""
    try:
        if state.graph is None:
            made = Variable(value, trainable, name=full, constraint=constraint)
            graph.variable_store[full] = made
            graph.add_to_collections(
                [GraphKeys.GLOBAL_VARIABLES]
                + ([GraphKeys.TRAINABLE_VARIABLES] if trainable is not False else []),
                made,
            )
        else:
            made = Variable(
                value,
                trainable,
                name=full,
                constraint=constraint or scope.constraint,
                collections=collections,
                validate_shape=validate_shape,
            )
            graph.variable_store[full] = made
    finally:
        graph._scope = held
    penalty = regularizer or scope.regularizer
    if penalty is not None:
        graph.add_to_collection(GraphKeys.REGULARIZATION_LOSSES, penalty(made))
    return made


def _again(there: Variable, full: str, scope: VariableScope, shape: Any, dtype: Any) -> Variable:
    if not scope.reuse:
        raise error(
            ValueError,
            f"Variable {full} already exists, disallowed. Did you mean to set "
            "reuse=True or reuse=tf.AUTO_REUSE in VarScope?",
        )
    if shape is not None and not TensorShape(shape).is_compatible_with(there.shape):
        raise error(
            ValueError,
            f"Trying to share variable {full}, but specified shape "
            f"{TensorShape(shape)} and found shape {there.shape}.",
        )
    if dtype is not None and as_dtype(dtype) != there.dtype:
        raise error(
            ValueError,
            f"Trying to share variable {full}, but specified dtype {as_dtype(dtype).name} and "
            f"found dtype {there.dtype.name}.",
        )
    return there


def _first_value(full: str, shape: Any, kind: Any, initializer: Any) -> Any:
    if initializer is None:
        initializer = GlorotUniform() if kind.is_floating else Zeros()
    if isinstance(initializer, type):
        initializer = initializer()
    if callable(initializer) and not isinstance(initializer, Tensor):
        if shape is None:
            raise error(
                ValueError,
                f"Shape of a new variable ({full}) must be fully defined, but instead "
                "was <unknown>.",
            )
        return _called(initializer, TensorShape(shape), kind)
    return (
        convert(initializer, None if isinstance(initializer, Tensor) else kind)
        if not (isinstance(initializer, Symbol))
        else initializer
    )


def _called(initializer: Callable[..., Any], shape: TensorShape, kind: Any) -> Any:
    try:
        return initializer(shape.as_list(), dtype=kind)
    except TypeError:
        return initializer(shape.as_list())


def get_local_variable(name: str, *args: Any, **kwargs: Any) -> Variable:
    """As `get_variable`, for a variable that is neither trained nor saved."""
    kwargs.update(collections=[GraphKeys.LOCAL_VARIABLES], trainable=False)
    return get_variable(name, *args, **kwargs)
