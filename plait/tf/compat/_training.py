"""`tf.train` of TensorFlow 1: gradients, optimizers, learning rates.

The update rules are those of the papers that the optimizers are named after, in TensorFlow's forms.
Where a graph is built, every update is an operation of it; else it happens at once.
"""

from __future__ import annotations

from typing import Any

import plait
from plait.core.ir.errors import error
from plait.core.lazy.modes import grad_mode
from plait.tf import nest
from plait.tf._convert import convert, inner, ints
from plait.tf._dispatch import op, state
from plait.tf._graph import Operation, Symbol, leaves
from plait.tf._ops.arrays import reshape, stack, unstack
from plait.tf._ops.creation import zeros_like
from plait.tf._session import GradientsCall, _ordered
from plait.tf._shape import TensorSpec
from plait.tf._tape import GradientTape
from plait.tf._variable import Variable, assign_add
from plait.tf.compat._scopes import (
    GraphKeys,
    default_graph,
    group,
    trainable_variables,
)  # fmt: skip


def gradients(
    ys: Any,
    xs: Any,
    grad_ys: Any = None,
    name: str = "gradients",
    colocate_gradients_with_ops: bool = False,
    gate_gradients: bool = False,
    aggregation_method: Any = None,
    stop_gradients: Any = None,
    unconnected_gradients: Any = "none",
) -> list[Any]:
    """Tensors of the derivatives of the sum of `ys` by each of `xs`, None where there is none.

    Raises RuntimeError while operations run at once.
    """
    targets = [y for y in nest.flatten(ys) if y is not None]
    sources = nest.flatten(xs)
    graph = next((t.graph for t in targets if isinstance(t, Symbol)), state.graph)
    if graph is None:
        raise error(
            RuntimeError,
            "tf.gradients is not supported when eager execution is enabled. Use "
            "tf.GradientTape instead.",
        )
    connected = _connected(targets)
    asked = [x for x in sources if id(x) in connected and x.dtype.is_floating]
    call = GradientsCall(targets, asked, nest.flatten(grad_ys) if grad_ys is not None else [], [])
    operation = Operation(graph, graph.unique_name(name), call, (), {})  # type: ignore[arg-type]  # run by the session
    specs = [TensorSpec(x.shape, x.dtype) for x in asked]
    if asked:
        graph.add(operation, None if len(asked) == 1 else asked, specs)
    made = iter(operation.outputs)
    zero = getattr(unconnected_gradients, "value", unconnected_gradients) == "zero"
    return [
        next(made) if any(x is a for a in asked) else zeros_like(x) if zero else None
        for x in sources
    ]


def hessians(ys: Any, xs: Any, name: str = "hessians", **options: Any) -> list[Any]:
    """The second derivatives of the sum of `ys` by each of `xs`, in their extents twice.

    Raises ValueError for one whose extents are not known.
    """
    found = []
    for x in nest.flatten(xs):
        if not x.shape.is_fully_defined():
            raise error(ValueError, f"tf.hessians: the extents of {x} must be known")
        extents = x.shape.as_list()
        (first,) = gradients(ys, [x])
        flat = reshape(first, [-1])
        rows = [gradients([part], [x], unconnected_gradients="zero")[0] for part in unstack(flat)]
        found.append(reshape(stack(rows), [*extents, *extents]))
    return found


class _Everything(set):
    """Contains all ids."""

    def __contains__(self, item: object) -> bool:
        return True


def _connected(targets: list[Any]) -> set[int]:
    """The ids of the tensors and variables that targets are made of."""
    found = {id(t) for t in targets}
    for operation in _ordered(targets, set()):
        if operation.function.__dict__.get("closures"):
            return _Everything()  # functions of the user's may hold any tensor
        for item in leaves((operation.args, operation.kwargs)):
            if isinstance(item, (Symbol, Variable)):
                found.add(id(item))
        if isinstance(operation.function, GradientsCall):
            found |= {id(x) for x in (*operation.function.ys, *operation.function.xs)}
            found |= _connected([y for y in operation.function.ys if isinstance(y, Symbol)])
    return found


def _variables_under(loss: Any) -> list[Variable]:
    """The trainable variables: those of the graph, and others that the loss is made of."""
    found = {id(v): v for v in trainable_variables()}
    if isinstance(loss, Symbol):
        for operation in _ordered([loss], set()):
            for item in leaves((operation.args, operation.kwargs)):
                if isinstance(item, Variable) and item.graph is None and item.trainable:
                    found.setdefault(id(item), item)
    return list(found.values())


class Optimizer:
    """The base of optimizers: gradients, then one update for each variable."""

    GATE_NONE, GATE_OP, GATE_GRAPH = 0, 1, 2

    def __init__(self, use_locking: bool, name: str) -> None:
        self._name = name
        self._slots: dict[str, dict[int, Variable]] = {}
        self._extra: list[Variable] = []

    def get_name(self) -> str:
        return self._name

    def minimize(
        self,
        loss: Any,
        global_step: Any = None,
        var_list: Any = None,
        gate_gradients: int = 1,
        aggregation_method: Any = None,
        colocate_gradients_with_ops: bool = False,
        name: str | None = None,
        grad_loss: Any = None,
    ) -> Any:
        """An operation that makes a loss smaller (at once, for a function that gives the loss).

        Raises ValueError where the loss depends on none of the variables.
        """
        pairs = self.compute_gradients(loss, var_list, grad_loss=grad_loss)
        if all(g is None for g, _ in pairs):
            raise error(
                ValueError,
                "No gradients provided for any variable, check your graph for ops that do not "
                f"support gradients, between variables {[str(v.name) for _, v in pairs]} and loss "
                f"{loss}.",
            )
        return self.apply_gradients(pairs, global_step, name)

    def compute_gradients(
        self,
        loss: Any,
        var_list: Any = None,
        gate_gradients: int = 1,
        aggregation_method: Any = None,
        colocate_gradients_with_ops: bool = False,
        grad_loss: Any = None,
    ) -> list[tuple[Any, Variable]]:
        """(gradient, variable) pairs; None for a gradient that does not exist."""
        if callable(loss) and not isinstance(loss, Symbol):
            with GradientTape() as tape:
                value = loss()
            given = (
                nest.flatten(var_list) if var_list is not None else list(tape.watched_variables())
            )
            return list(zip(tape.gradient(value, given, grad_loss), given))
        if state.graph is None and not isinstance(loss, Symbol):
            raise error(
                RuntimeError,
                "`loss` passed to Optimizer.compute_gradients should be a function "
                "when eager execution is enabled.",
            )
        given = nest.flatten(var_list) if var_list is not None else _variables_under(loss)
        if not given:
            raise error(ValueError, "No variables to optimize.")
        starts = None if grad_loss is None else [grad_loss]
        return list(zip(gradients([loss], given, starts), given))

    def apply_gradients(
        self, grads_and_vars: Any, global_step: Any = None, name: str | None = None
    ) -> Any:
        """An operation that updates variables by their gradients. Raises ValueError for none."""
        pairs = [(g, v) for g, v in grads_and_vars if g is not None]
        if not pairs:
            raise error(
                ValueError,
                f"No gradients provided for any variable: {[v.name for _, v in grads_and_vars]}.",
            )
        self.prepare([v for _, v in pairs])
        updates = [self.update(g, v) for g, v in pairs]
        with _after(updates):
            updates += self.finish()
        if global_step is not None:
            with _after(updates):
                updates.append(assign_add(global_step, convert(1, global_step.dtype)))
        return group(*updates, name=name or self._name)

    def prepare(self, variables: list[Variable]) -> None:
        """Make what the updates need."""

    def update(self, grad: Any, variable: Variable) -> Any:
        """The update of one variable."""
        raise NotImplementedError

    def finish(self) -> list[Any]:
        """Updates after all variables."""
        return []

    # -- what is kept beside the variables ------------------------------------------------------

    def slot(self, variable: Variable, name: str, start: float = 0.0) -> Variable:
        """A variable of the same shape beside another."""
        held = self._slots.setdefault(name, {})
        found = held.get(id(variable))
        if found is None:
            import numpy as np

            value = np.full(ints(variable.shape), start, variable.dtype.core.numpy)
            found = held[id(variable)] = beside(
                value,
                f"{variable.name[:-2]}/{self._name}"
                + (f"_{len(self._slots) - 1}" if len(self._slots) > 1 else ""),
            )
        return found

    def extra(self, value: float, name: str, dtype: Any) -> Variable:
        """A scalar variable of the optimizer."""
        made = beside(convert(value, dtype).numpy(), name)
        self._extra.append(made)
        return made

    def get_slot(self, var: Variable, name: str) -> Any:
        return self._slots.get(name, {}).get(id(var))

    def get_slot_names(self) -> list[str]:
        return sorted(self._slots)

    def variables(self) -> list[Variable]:
        """What the optimizer keeps."""
        return [*self._extra, *(v for held in self._slots.values() for v in held.values())]


def beside(value: Any, name: str) -> Variable:
    graph = state.graph
    if graph is None:
        return Variable(value, trainable=False, name=name)
    scope, graph._scope = graph._scope, ""
    try:
        return Variable(value, trainable=False, name=name)
    finally:
        graph._scope = scope


class _after:
    """A context whose operations run after others."""

    def __init__(self, operations: list[Any]) -> None:
        graph = state.graph
        self._inside = (
            None
            if graph is None
            else graph.control_dependencies([o for o in operations if o is not None])
        )

    def __enter__(self) -> None:
        if self._inside is not None:
            self._inside.__enter__()

    def __exit__(self, *exc: Any) -> None:
        if self._inside is not None:
            self._inside.__exit__(*exc)


def rule(function: Any) -> Any:
    """An update rule as an operation: (variables written, gradient, numbers) -> nothing."""

    def update(variables: Any, grad: Any, *numbers: Any) -> Any:
        with grad_mode(False):
            g = inner(grad)
            held = [v.cell().detach() for v in variables]
            given = [
                inner(convert(n, hint=convert(grad).dtype)).to(g.dtype)
                if not isinstance(n, (bool, str, float, int))
                else n
                for n in numbers
            ]
            made = function(g, *held, *given)
            for variable, value in zip(variables, made):
                if value is not None:
                    variable.write(value)
        return None

    update.__name__ = function.__name__.strip("_")
    update.__doc__ = function.__doc__
    public = op(update)
    public.__dict__.update(takes_variable=True, infer=lambda *args, **kwargs: None)
    return public


def _number(value: Any) -> Any:
    """A learning rate: a number, a tensor, or a function that gives one."""
    return value() if callable(value) and not isinstance(value, (Symbol, Variable)) else value


def as_tensor(value: Any) -> Any:
    """Numbers as they are; variables as tensors, so that a graph reads them."""
    value = _number(value)
    from plait.tf._variable import read

    return read(value) if isinstance(value, Variable) else value


@rule
def _gradient_descent(g: Any, w: Any, rate: Any) -> Any:
    """w - rate g."""
    return (w - g * rate,)


class GradientDescentOptimizer(Optimizer):
    """w - rate g."""

    def __init__(
        self, learning_rate: Any, use_locking: bool = False, name: str = "GradientDescent"
    ) -> None:
        super().__init__(use_locking, name)
        self._rate = learning_rate

    def update(self, grad: Any, variable: Variable) -> Any:
        return _gradient_descent([variable], grad, as_tensor(self._rate))


@rule
def _momentum(g: Any, w: Any, kept: Any, rate: Any, momentum: Any, nesterov: bool) -> Any:
    """Steps that run on (Polyak 1964; Nesterov's form as Sutskever et al. have it)."""
    kept = kept * momentum + g
    step = g * rate + kept * momentum * rate if nesterov else kept * rate
    return w - step, kept


class MomentumOptimizer(Optimizer):
    """Gradient descent with momentum."""

    def __init__(
        self,
        learning_rate: Any,
        momentum: Any,
        use_locking: bool = False,
        name: str = "Momentum",
        use_nesterov: bool = False,
    ) -> None:
        super().__init__(use_locking, name)
        self._rate, self._share, self._nesterov = learning_rate, momentum, use_nesterov

    def update(self, grad: Any, variable: Variable) -> Any:
        slot = self.slot(variable, "momentum")
        return _momentum(
            [variable, slot], grad, as_tensor(self._rate), as_tensor(self._share), self._nesterov
        )


@rule
def _adam(
    g: Any,
    w: Any,
    m: Any,
    v: Any,
    power1: Any,
    power2: Any,
    rate: Any,
    beta1: Any,
    beta2: Any,
    epsilon: Any,
) -> Any:
    """Kingma and Ba 2014, section 2, with the corrections in the rate."""
    m = m * beta1 + g * (1 - beta1)
    v = v * beta2 + g * g * (1 - beta2)
    step = plait.sqrt(1 - power2) / (1 - power1) * rate
    return w - step * m / (plait.sqrt(v) + epsilon), m, v, None, None


class AdamOptimizer(Optimizer):
    """Adam (Kingma and Ba 2014)."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta1: Any = 0.9,
        beta2: Any = 0.999,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Adam",
    ) -> None:
        super().__init__(use_locking, name)
        self._rate, self._beta1, self._beta2, self._epsilon = learning_rate, beta1, beta2, epsilon
        self._powers: dict[Any, tuple[Variable, Variable]] = {}

    def prepare(self, variables: list[Variable]) -> None:
        if not self._powers:
            kind = variables[0].dtype
            self._powers[None] = (
                self.extra(float(self._beta1), "beta1_power", kind),
                self.extra(float(self._beta2), "beta2_power", kind),
            )

    def update(self, grad: Any, variable: Variable) -> Any:
        m, v = self.slot(variable, "m"), self.slot(variable, "v")
        return _adam(
            [variable, m, v, *self._powers[None]],
            grad,
            as_tensor(self._rate),
            self._beta1,
            self._beta2,
            self._epsilon,
        )

    def finish(self) -> list[Any]:
        first, second = self._powers[None]
        return [_scale([first], first, self._beta1), _scale([second], second, self._beta2)]


@rule
def _scale(g: Any, held: Any, factor: Any) -> Any:
    """held times a factor."""
    return (held * factor,)


@rule
def _adagrad(g: Any, w: Any, total: Any, rate: Any) -> Any:
    """Duchi et al. 2011."""
    total = total + g * g
    return w - g * rate * plait.rsqrt(total), total


class AdagradOptimizer(Optimizer):
    """Adagrad (Duchi et al. 2011)."""

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        use_locking: bool = False,
        name: str = "Adagrad",
    ) -> None:
        super().__init__(use_locking, name)
        if initial_accumulator_value <= 0:
            raise error(
                ValueError,
                f"initial_accumulator_value must be positive: {initial_accumulator_value}",
            )
        self._rate, self._start = learning_rate, initial_accumulator_value

    def update(self, grad: Any, variable: Variable) -> Any:
        slot = self.slot(variable, "accumulator", self._start)
        return _adagrad([variable, slot], grad, as_tensor(self._rate))


@rule
def _adadelta(g: Any, w: Any, squares: Any, steps: Any, rate: Any, rho: Any, epsilon: Any) -> Any:
    """Zeiler 2012, algorithm 1."""
    squares = squares * rho + g * g * (1 - rho)
    step = plait.sqrt(steps + epsilon) * plait.rsqrt(squares + epsilon) * g
    return w - step * rate, squares, steps * rho + step * step * (1 - rho)


class AdadeltaOptimizer(Optimizer):
    """Adadelta (Zeiler 2012)."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-8,
        use_locking: bool = False,
        name: str = "Adadelta",
    ) -> None:
        super().__init__(use_locking, name)
        self._rate, self._rho, self._epsilon = learning_rate, rho, epsilon

    def update(self, grad: Any, variable: Variable) -> Any:
        slots = self.slot(variable, "accum"), self.slot(variable, "accum_update")
        return _adadelta([variable, *slots], grad, as_tensor(self._rate), self._rho, self._epsilon)


@rule
def _rmsprop(
    g: Any,
    w: Any,
    squares: Any,
    kept: Any,
    means: Any,
    rate: Any,
    decay: Any,
    momentum: Any,
    epsilon: Any,
    centered: bool,
) -> Any:
    """Tieleman and Hinton 2012, with momentum; centred as Graves 2013 has it."""
    squares = squares + (g * g - squares) * (1 - decay)
    spread = squares
    if centered:
        means = means + (g - means) * (1 - decay)
        spread = squares - means * means
    kept = kept * momentum + g * rate * plait.rsqrt(spread + epsilon)
    return w - kept, squares, kept, means if centered else None


class RMSPropOptimizer(Optimizer):
    """RMSProp (Tieleman and Hinton 2012)."""

    def __init__(
        self,
        learning_rate: Any,
        decay: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-10,
        use_locking: bool = False,
        centered: bool = False,
        name: str = "RMSProp",
    ) -> None:
        super().__init__(use_locking, name)
        self._rate, self._numbers, self._centered = (
            learning_rate,
            (decay, momentum, epsilon),
            centered,
        )

    def update(self, grad: Any, variable: Variable) -> Any:
        squares = self.slot(variable, "rms", 1.0)
        kept = self.slot(variable, "momentum")
        means = self.slot(variable, "mg") if self._centered else kept
        return _rmsprop(
            [variable, squares, kept, means],
            grad,
            as_tensor(self._rate),
            *self._numbers,
            self._centered,
        )
