"""Learning rates of TensorFlow 1, and the variable that counts steps."""

from __future__ import annotations

from typing import Any

from plait.core.ir.errors import error
from plait.tf._convert import convert
from plait.tf._dispatch import state
from plait.tf._dtypes import int64
from plait.tf._graph import Symbol
from plait.tf._ops import elementwise
from plait.tf._ops.creation import convert_to_tensor
from plait.tf._variable import Variable
from plait.tf.compat._scopes import GraphKeys, default_graph
from plait.tf.compat._training import beside


def exponential_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: Any = None,
) -> Any:
    """rate * decay_rate ^ (step / decay_steps)."""
    return _later(
        lambda: _exponential(
            convert_float(learning_rate), global_step, decay_steps, decay_rate, staircase
        )
    )


def _later(compute: Any) -> Any:
    """At once in graphs; a function to be called at each step otherwise."""
    return compute() if state.graph is not None else compute


def convert_float(value: Any) -> Any:
    """A number as a float32 tensor."""
    return value if isinstance(value, Symbol) else convert_to_tensor(float(value))


def _exponential(rate: Any, step: Any, steps: Any, decay: Any, staircase: bool) -> Any:
    share = elementwise.cast(step, "float32") / float(steps)
    if staircase:
        share = elementwise.floor(share)
    return rate * elementwise.pow(convert_float(decay), share)


def piecewise_constant(x: Any, boundaries: Any, values: Any, name: Any = None) -> Any:
    """values[k] for the first boundary k that x does not pass."""

    def compute() -> Any:
        made = convert_float(values[-1])
        for bound, value in reversed(list(zip(boundaries, values))):
            made = elementwise.where(
                elementwise.less_equal(elementwise.cast(x, "float32"), float(bound)),
                convert_float(value),
                made,
            )
        return made

    return _later(compute)


def polynomial_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    end_learning_rate: float = 0.0001,
    power: float = 1.0,
    cycle: bool = False,
    name: Any = None,
) -> Any:
    """From the rate to the last one along a power of the share of steps left."""

    def compute() -> Any:
        step = elementwise.minimum(elementwise.cast(global_step, "float32"), float(decay_steps))
        left = elementwise.pow(1.0 - step / float(decay_steps), convert_float(power))
        return (convert_float(learning_rate) - end_learning_rate) * left + end_learning_rate

    return _later(compute)


# -- the global step ------------------------------------------------------------------------------


def get_global_step(graph: Any = None) -> Any:
    """The variable that counts steps; None before it is made."""
    found = (graph or default_graph()).get_collection(GraphKeys.GLOBAL_STEP)
    return found[0] if found else None


def create_global_step(graph: Any = None) -> Variable:
    """The variable that counts steps. Raises ValueError if there is one."""
    if get_global_step(graph) is not None:
        raise error(ValueError, '"global_step" already exists.')
    made = beside(convert(0, int64).numpy(), "global_step")
    default_graph().add_to_collection(GraphKeys.GLOBAL_STEP, made)
    return made


def get_or_create_global_step(graph: Any = None) -> Variable:
    """The variable that counts steps."""
    return get_global_step(graph) or create_global_step(graph)
