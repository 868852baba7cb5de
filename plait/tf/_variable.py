"""tf.Variable: a value that is written in place, watched by tapes when it is read."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

import plait
from plait.core.ir.errors import error
from plait.core.lazy.capture import watch
from plait.core.lazy.cell import settle
from plait.core.lazy.modes import grad_mode
from plait.core.lazy.tensor import LazyTensor
from plait.tf import errors
from plait.tf._autograph import bodies
from plait.tf._convert import convert, inner
from plait.tf._dispatch import op, state
from plait.tf._dtypes import DType, string
from plait.tf._ops import operators, slicing
from plait.tf._shape import TensorShape, TensorSpec
from plait.tf._tensor import Reference, Tensor, of_array

#: What reads the variables of a TensorFlow 1 graph; set by `plait.tf.compat.v1`.
sessions: dict[str, Any] = {"cell": None, "create": None, "store": None, "default": None}


#: Variables are told in the order in which they were made.
_numbers = itertools.count()


class VariableMeta(type):
    """`tf.Variable(...)` while a graph is being built makes a variable of the graph."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if state.graph is not None and not state.inside and sessions["create"] is not None:
            return sessions["create"](cls, *args, **kwargs)
        return super().__call__(*args, **kwargs)


class Variable(metaclass=VariableMeta):
    """A tensor's worth of memory.

    initial_value: anything a tensor can be made of, or a function that gives it. shape: what later
    values may have (the initial value's by default). Raises ValueError, TypeError for a value that
    does not have `dtype` or `shape`.
    """

    __array_priority__ = 110

    def __init__(
        self,
        initial_value: Any = None,
        trainable: bool | None = None,
        validate_shape: bool = True,
        caching_device: Any = None,
        name: str | None = None,
        variable_def: Any = None,
        dtype: Any = None,
        import_scope: Any = None,
        constraint: Any = None,
        synchronization: Any = None,
        aggregation: Any = None,
        shape: Any = None,
        collections: Any = None,
        use_resource: bool | None = None,
        **extra: Any,
    ) -> None:
        if initial_value is None:
            raise error(ValueError, "`initial_value` must not be None: Variable needs a value.")
        bodies.refuse("a variable is made")
        if state.function is not None:
            state.function.makes(self)
        value = convert(initial_value() if callable(initial_value) else initial_value, dtype)
        self._set_up(
            value.shape if shape is None else TensorShape(shape),
            value.dtype,
            name,
            True if trainable is None else trainable,
            constraint,
        )
        if not self._shape.is_compatible_with(value.shape):
            raise error(
                ValueError,
                f"Initial value's shape ({value.shape}) is not compatible with the explicitly "
                f"supplied `shape` argument ({self._shape}).",
            )
        self._leaf = new_leaf(value)

    def _set_up(
        self, shape: Any, dtype: DType, name: Any, trainable: bool, constraint: Any
    ) -> None:
        self._shape = TensorShape(shape)
        self._dtype = dtype
        self._name = name or "Variable"
        self._trainable = trainable
        self._constraint = constraint
        self._leaf: Any = None
        #: The TensorFlow 1 graph that the variable belongs to.
        self._graph: Any = None
        self._number = next(_numbers)
        self._initial: Any = None
        self._initializer: Any = None
        #: Whether PyTorch-style code holds the memory too, and may read it unseen by tapes.
        self._shared = False

    # -- reading ------------------------------------------------------------------------------

    def cell(self) -> Any:
        """The memory: a leaf of the core, or an array of strings."""
        leaf = self._leaf if self._graph is None else sessions["cell"](self)
        return bodies.held(self, leaf) if bodies.stack.writes else leaf

    def _as_core_tensor(self) -> Any:
        """The present value as a tensor of the core."""
        return self._as_tf_tensor()._as_core_tensor()

    def _as_torch_tensor(self) -> Any:
        """The memory itself, as a PyTorch-style leaf. Raises TypeError for strings, and for
        variables of a graph, whose memory is a session's."""
        leaf = None if self._graph is not None else self.cell()
        if not isinstance(leaf, LazyTensor):
            raise error(
                TypeError,
                f"the variable {self.name!r} "
                + ("belongs to a graph" if leaf is None else "holds strings")
                + ": it has no memory that is a tensor of PyTorch's kind",
            )
        self._shared = True
        return leaf

    def _as_tf_tensor(self) -> Any:
        """The present value as a tensor; tapes that watch the variable follow it."""
        if self._graph is not None and not state.inside and state.graph is not None:
            return read(self)
        leaf = self.cell()
        if type(leaf) is np.ndarray:
            return of_array(leaf)
        watched = False
        for tape in state.tapes:
            watched = tape.reads(self) or watched
        if watched:
            if watch.active is None and leaf._cell.fallback is not None:
                # A new step begins: what the last one wrote is computed, as one graph that is the
                # same each time.
                settle()
            return Tensor(leaf.frozen())
        return Tensor(leaf.detach().frozen())

    def read_value(self) -> Any:
        """The present value as a tensor."""
        return read(self)

    def value(self) -> Any:
        """The present value as a tensor."""
        return read(self)

    def numpy(self) -> Any:
        """A copy of the value as an array."""
        return self._as_tf_tensor().numpy()

    def eval(self, session: Any = None) -> Any:
        """The value in a session."""
        return read(self).eval(session=session) if self._graph is not None else self.numpy()

    def initialized_value(self) -> Any:
        """The value after the initializer has run (TensorFlow 1)."""
        if self._graph is None:
            return read(self)
        with self._graph.control_dependencies([self.initializer]):
            return read(self)

    @property
    def initial_value(self) -> Any:
        """What the initializer writes (TensorFlow 1)."""
        return self._initial

    @property
    def shape(self) -> TensorShape:
        return self._shape

    def get_shape(self) -> TensorShape:
        return self._shape

    def set_shape(self, shape: Any) -> None:
        self._shape = self._shape.merge_with(shape)

    @property
    def ndim(self) -> int:
        return len(self._shape)

    @property
    def dtype(self) -> DType:
        return self._dtype

    @property
    def name(self) -> str:
        return self._name + ":0"

    @property
    def trainable(self) -> bool:
        return self._trainable

    @property
    def constraint(self) -> Any:
        """The function that optimizers apply after an update."""
        return self._constraint

    @property
    def device(self) -> str:
        return "/job:localhost/replica:0/task:0/device:CPU:0"

    @property
    def graph(self) -> Any:
        return self._graph

    @property
    def op(self) -> Any:
        """The variable's operation, of which programs read the name."""
        return self if self._graph is None else self.initializer

    @property
    def initializer(self) -> Any:
        """The operation that gives the variable its initial value (TensorFlow 1)."""
        if self._graph is None:
            raise error(
                AttributeError, "Variable.initializer is undefined when eager execution is enabled."
            )
        return self._initializer

    def ref(self) -> Reference:
        """A hashable stand-in for this variable."""
        return Reference(self)

    def experimental_ref(self) -> Reference:
        return self.ref()

    # -- writing ------------------------------------------------------------------------------

    def assign(
        self, value: Any, use_locking: Any = None, name: Any = None, read_value: Any = True
    ) -> Any:
        """Write a value of this shape and dtype; gives the variable."""
        return assign(self, value)

    def assign_add(
        self, delta: Any, use_locking: Any = None, name: Any = None, read_value: Any = True
    ) -> Any:
        """Add to the value; gives the variable."""
        return assign_add(self, delta)

    def assign_sub(
        self, delta: Any, use_locking: Any = None, name: Any = None, read_value: Any = True
    ) -> Any:
        """Subtract from the value; gives the variable."""
        return assign_sub(self, delta)

    def load(self, value: Any, session: Any = None) -> None:
        """Write a value in a session (TensorFlow 1)."""
        if self._graph is None:
            assign(self, value)
        else:
            (session or sessions["default"]()).load(self, value)

    def write(self, value: Any) -> None:
        """Put the core's tensor of this shape in the memory."""
        leaf = self.cell()
        if bodies.stack.writes:
            bodies.write(self, leaf, value.detach() if value.requires_grad else value)
            return
        with grad_mode(False):
            if type(leaf) is np.ndarray or leaf._shape != value._shape:
                self._replace(new_leaf(Tensor(value)))
            else:
                leaf.assign(value.detach() if value.requires_grad else value)

    def _replace(self, leaf: Any) -> None:
        if self._graph is None:
            self._leaf = leaf
        else:
            sessions["store"](self, leaf)

    def _scattered(self, how: str, indices: Any, updates: Any) -> Any:
        return scatter(self, how, indices, updates)

    def scatter_update(self, sparse_delta: Any, use_locking: Any = None, name: Any = None) -> Any:
        """Put the rows of an IndexedSlices."""
        return _rows(self, "update", sparse_delta)

    def scatter_add(self, sparse_delta: Any, use_locking: Any = None, name: Any = None) -> Any:
        """Add the rows of an IndexedSlices."""
        return _rows(self, "add", sparse_delta)

    def scatter_sub(self, sparse_delta: Any, use_locking: Any = None, name: Any = None) -> Any:
        """Subtract the rows of an IndexedSlices."""
        return _rows(self, "sub", sparse_delta)

    def scatter_max(self, sparse_delta: Any, use_locking: Any = None, name: Any = None) -> Any:
        """The maximum with the rows of an IndexedSlices."""
        return _rows(self, "max", sparse_delta)

    def scatter_min(self, sparse_delta: Any, use_locking: Any = None, name: Any = None) -> Any:
        """The minimum with the rows of an IndexedSlices."""
        return _rows(self, "min", sparse_delta)

    def scatter_nd_update(self, indices: Any, updates: Any, name: Any = None) -> Any:
        """Put updates at the places that `indices` name."""
        return scatter(self, "update", indices, updates)

    def scatter_nd_add(self, indices: Any, updates: Any, name: Any = None) -> Any:
        """Add updates at the places that `indices` name."""
        return scatter(self, "add", indices, updates)

    def scatter_nd_sub(self, indices: Any, updates: Any, name: Any = None) -> Any:
        """Subtract updates at the places that `indices` name."""
        return scatter(self, "sub", indices, updates)

    def gather_nd(self, indices: Any, name: Any = None) -> Any:
        return slicing.gather_nd(self, indices)

    def sparse_read(self, indices: Any, name: Any = None) -> Any:
        return slicing.gather(self, indices)

    # -- Python -------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Any:
        made = slicing.getitem(self, key)
        if type(made) is not Tensor:
            return made
        part = _Part(made._inner)
        part._tapes = made._tapes
        part._place = (self, key)
        return part

    def __len__(self) -> int:
        return len(self._as_tf_tensor())

    def __iter__(self) -> Iterator[Any]:
        return iter(self._as_tf_tensor())

    def __int__(self) -> int:
        return int(self._as_tf_tensor())

    def __float__(self) -> float:
        return float(self._as_tf_tensor())

    def __index__(self) -> int:
        return self._as_tf_tensor().__index__()

    def __bool__(self) -> bool:
        return bool(self._as_tf_tensor())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self._as_tf_tensor().__array__(dtype)

    def __format__(self, spec: str) -> str:
        return format(self._as_tf_tensor(), spec) if spec else str(self)

    def __hash__(self) -> int:
        if self._graph is not None:
            return id(self)
        raise error(
            TypeError, f"Variable is unhashable. Instead, use variable.ref() as the key. ({self!r})"
        )

    def __deepcopy__(self, memo: Any) -> Variable:
        made = type(self)(self._as_tf_tensor(), self._trainable, name=self._name)
        memo[id(self)] = made
        return made

    def __repr__(self) -> str:
        head = f"<tf.Variable {self.name!r} shape={self._shape} dtype={self._dtype.name}"
        if self._graph is not None:
            return head + ">"
        return f"{head}, numpy={repr(self._as_tf_tensor()).split('numpy=', 1)[1]}"

    __str__ = __repr__


_getitem = Variable.__getitem__
operators.attach(Variable)
Variable.__getitem__ = _getitem  # parts of a variable can be assigned to


class _Part(Tensor):
    """A slice of a variable, which can be assigned to."""

    __slots__ = ("_place",)

    def assign(self, value: Any, name: Any = None) -> Any:
        """Write into this part of the variable; gives the variable."""
        return assign_part(*self._place, value, "update")

    def assign_add(self, value: Any, name: Any = None) -> Any:
        """Add to this part of the variable; gives the variable."""
        return assign_part(*self._place, value, "add")

    def assign_sub(self, value: Any, name: Any = None) -> Any:
        """Subtract from this part of the variable; gives the variable."""
        return assign_part(*self._place, value, "sub")


class IndexedSlices:
    """Rows of a tensor: `values[i]` belongs at `indices[i]`."""

    def __init__(self, values: Any, indices: Any, dense_shape: Any = None) -> None:
        self.values = convert(values)
        self.indices = convert(indices)
        self.dense_shape = dense_shape

    @property
    def dtype(self) -> DType:
        return self.values.dtype

    @property
    def shape(self) -> TensorShape:
        return TensorShape(self.dense_shape)


def new_leaf(value: Any) -> Any:
    """Memory for a variable that begins with a tensor's value."""
    if value.dtype is string:
        return value._array().copy()
    leaf = plait.Tensor.of_node(value._inner.read())
    if value.dtype.is_floating:
        leaf.requires_grad_()
    return leaf


@op
def read(variable: Any) -> Any:
    """The present value as a tensor."""
    return variable._as_tf_tensor() if isinstance(variable, Variable) else convert(variable)


def _checked(variable: Variable, value: Any) -> Any:
    made = convert(value, variable.dtype)
    if not variable.shape.is_compatible_with(made.shape):
        raise error(
            ValueError,
            f"Cannot assign value to variable '{variable.name}': Shape mismatch. The variable "
            f"shape {variable.shape}, and the assigned value shape {made.shape} are incompatible.",
        )
    return made


@op
def assign(ref: Any, value: Any, validate_shape: Any = None, use_locking: Any = None) -> Any:
    """Write a value of its shape and dtype into a variable; gives the variable."""
    made = _checked(ref, value)
    if made.dtype is string:
        ref._replace(made._array().copy())
    else:
        ref.write(made._inner)
    return ref


def _changed(ref: Any, value: Any, sign: int) -> Any:
    made = convert(value, ref.dtype)
    held = ref.cell()
    if made._inner.shape != held.shape:
        raise error(
            errors.InvalidArgumentError,
            f"Cannot update variable with shape {list(held.shape)} using a Tensor with shape "
            f"{list(made.shape)}, shapes must be equal. [Op:AssignAddVariableOp]",
        )
    with grad_mode(False):
        ref.write(held + made._inner if sign > 0 else held - made._inner)
    return ref


@op
def assign_add(ref: Any, value: Any, use_locking: Any = None) -> Any:
    """Add to a variable; gives the variable."""
    return _changed(ref, value, 1)


@op
def assign_sub(ref: Any, value: Any, use_locking: Any = None) -> Any:
    """Subtract from a variable; gives the variable."""
    return _changed(ref, value, -1)


@op
def scatter(ref: Any, how: str, indices: Any, updates: Any) -> Any:
    """Combine updates with a variable at the places that `indices` name; gives the variable."""
    with grad_mode(False):
        ref.write(slicing.scattered(ref.cell(), indices, inner(updates, ref.dtype), how))
    return ref


def _rows(ref: Any, how: str, delta: Any) -> Any:
    if not isinstance(delta, IndexedSlices):
        raise error(TypeError, f"sparse_delta is not IndexedSlices: {delta!r}")
    indices = convert(delta.indices)
    return scatter(ref, how, of_array(indices.numpy()[..., None]), delta.values)


@op
def assign_part(ref: Any, key: Any, value: Any, how: str) -> Any:
    """Write into a slice of a variable; gives the variable."""
    made = convert(value, ref.dtype)
    with grad_mode(False):
        changed = ref.cell().detach().clone()
        keys = slicing.core_key(key)
        if how == "add":
            changed[keys] = changed[keys] + made._inner
        elif how == "sub":
            changed[keys] = changed[keys] - made._inner
        else:
            changed[keys] = made._inner
        ref.write(changed)
    return ref


def _variable_spec(ref: Any, *args: Any, **kwargs: Any) -> TensorSpec:
    return TensorSpec(ref.shape, ref.dtype)


for _function in (read, assign, assign_add, assign_sub, scatter, assign_part):
    # These take the variable itself, not its value, when a graph is built.
    _function.__dict__["takes_variable"] = True
    _function.__dict__["infer"] = _variable_spec
