"""Learning rates of TensorFlow 1, and the variable that counts steps."""

from __future__ import annotations

import math
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
    return rate * elementwise.pow(convert_float(decay), _share(step, steps, staircase))


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
    """From the rate to the last one along a power of the share of steps left; with `cycle`, over
    the least multiple of `decay_steps` that has not passed."""

    def compute() -> Any:
        steps, step = float(decay_steps), elementwise.cast(global_step, "float32")
        if cycle:
            turns = elementwise.maximum(elementwise.ceil(step / steps), 1.0)
            left = 1.0 - step / (steps * turns)
        else:
            left = 1.0 - elementwise.minimum(step, steps) / steps
        shrunk = elementwise.pow(left, convert_float(power))
        return (convert_float(learning_rate) - end_learning_rate) * shrunk + end_learning_rate

    return _later(compute)


def inverse_time_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: Any = None,
) -> Any:
    """rate / (1 + decay_rate * step / decay_steps)."""

    def compute() -> Any:
        share = _share(global_step, decay_steps, staircase)
        return convert_float(learning_rate) / (1.0 + convert_float(decay_rate) * share)

    return _later(compute)


def natural_exp_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: Any = None,
) -> Any:
    """rate * e ^ (-decay_rate * step / decay_steps)."""

    def compute() -> Any:
        share = _share(global_step, decay_steps, staircase)
        return convert_float(learning_rate) * elementwise.exp(-convert_float(decay_rate) * share)

    return _later(compute)


def cosine_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, alpha: float = 0.0, name: Any = None
) -> Any:
    """Down half a cosine to `alpha` times the rate (Loshchilov and Hutter 2016)."""

    def compute() -> Any:
        share = elementwise.minimum(_share(global_step, decay_steps, False), 1.0)
        return convert_float(learning_rate) * ((1 - alpha) * _half_cosine(share) + alpha)

    return _later(compute)


def cosine_decay_restarts(
    learning_rate: Any,
    global_step: Any,
    first_decay_steps: Any,
    t_mul: float = 2.0,
    m_mul: float = 1.0,
    alpha: float = 0.0,
    name: Any = None,
) -> Any:
    """Cosines one after another, each `t_mul` times as long and `m_mul` times as high."""

    def compute() -> Any:
        share = _share(global_step, first_decay_steps, False)
        if t_mul == 1.0:
            turn = elementwise.floor(share)
            share = share - turn
        else:
            # Turn k begins at (t^k - 1) / (t - 1) lengths of the first.
            reached = elementwise.log(1.0 - share * (1.0 - t_mul)) / float(math.log(t_mul))
            turn = elementwise.floor(reached)
            length = elementwise.pow(convert_float(t_mul), turn)
            share = (share - (1.0 - length) / (1.0 - t_mul)) / length
        height = elementwise.pow(convert_float(m_mul), turn) * _half_cosine(share)
        return convert_float(learning_rate) * ((1 - alpha) * height + alpha)

    return _later(compute)


def linear_cosine_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    num_periods: float = 0.5,
    alpha: float = 0.0,
    beta: float = 0.001,
    name: Any = None,
) -> Any:
    """A line down times a cosine of `num_periods` periods (Bello et al. 2017)."""

    def compute() -> Any:
        share = elementwise.minimum(_share(global_step, decay_steps, False), 1.0)
        wave = _half_cosine(share * (2.0 * num_periods))
        return convert_float(learning_rate) * ((alpha + 1.0 - share) * wave + beta)

    return _later(compute)


def _share(step: Any, steps: Any, staircase: bool) -> Any:
    """step / steps, rounded down for `staircase`."""
    share = elementwise.cast(step, "float32") / float(steps)
    return elementwise.floor(share) if staircase else share


def _half_cosine(share: Any) -> Any:
    """From 1 to 0 while the share goes from 0 to 1."""
    return 0.5 * (1.0 + elementwise.cos(share * math.pi))


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
    found = get_global_step(graph)
    return create_global_step(graph) if found is None else found
