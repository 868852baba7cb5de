"""`tf.train.ExponentialMovingAverage`: running means of variables and tensors, beside them."""

from __future__ import annotations

from typing import Any

from plait.core.ir.errors import error
from plait.core.lazy.modes import grad_mode
from plait.tf._convert import convert
from plait.tf._dispatch import op, state
from plait.tf._graph import Symbol
from plait.tf._ops import elementwise
from plait.tf._ops.creation import zeros
from plait.tf._variable import Variable
from plait.tf.compat._scopes import GraphKeys, default_graph, group, trainable_variables


@op
def _move(average: Any, value: Any, share: Any) -> Any:
    """average + share (value - average), written into it."""
    with grad_mode(False):
        held, given = average.cell().detach(), convert(value, average.dtype)._inner.detach()
        part = convert(share, average.dtype)._inner
        average.write(held + (given - held) * part)
    return None


_move.__dict__.update(takes_variable=True, infer=lambda *args, **kwargs: None)


class ExponentialMovingAverage:
    """average = decay * average + (1 - decay) * value, each time that what `apply` gives runs.

    num_updates: a count of steps, by which the averages are let move faster at first:
    min(decay, (1 + n) / (10 + n)). zero_debias: divide averages of tensors, which begin at zero, by
    the sum of their weights; not built.
    """

    def __init__(
        self,
        decay: Any,
        num_updates: Any = None,
        zero_debias: bool = False,
        name: str = "ExponentialMovingAverage",
    ) -> None:
        if zero_debias:
            from plait._unbuilt import not_built

            raise not_built("tf.train.ExponentialMovingAverage(zero_debias=True)")
        self._decay, self._updates, self._name = decay, num_updates, name
        self._averages: dict[int, tuple[Any, Variable]] = {}

    @property
    def name(self) -> str:
        return self._name

    def apply(self, var_list: Any = None) -> Any:
        """An operation that moves the averages of variables (those that are trained) or tensors.

        Raises TypeError for integers.
        """
        given = trainable_variables() if var_list is None else list(var_list)
        for value in given:
            if not value.dtype.is_floating:
                raise error(
                    TypeError, f"The variables must be half, float, or double: {value.name}"
                )
            if id(value) not in self._averages:
                self._averages[id(value)] = (value, self._beside(value))
        share = self._share()
        return group(*[_move(self._averages[id(v)][1], v, share) for v in given], name=self._name)

    def _share(self) -> Any:
        """How far an average moves."""
        if self._updates is None:
            return 1.0 - self._decay
        count = elementwise.cast(self._updates, "float32")
        return 1.0 - elementwise.minimum(float(self._decay), (1.0 + count) / (10.0 + count))

    def _beside(self, value: Any) -> Variable:
        graph = state.graph
        if isinstance(value, Variable):
            first = value.initialized_value()
            default_graph().add_to_collection(GraphKeys.MOVING_AVERAGE_VARIABLES, value)
        else:
            first = zeros(value.shape, value.dtype)
        if graph is None:
            return Variable(first, trainable=False, name=self.average_name(value))
        scope, graph._scope = graph._scope, ""
        try:
            return Variable(first, trainable=False, name=self.average_name(value))
        finally:
            graph._scope = scope

    def average(self, var: Any) -> Any:
        """The variable that holds an average; None for what `apply` has not been given."""
        found = self._averages.get(id(var))
        return None if found is None else found[1]

    def average_name(self, var: Any) -> str:
        """The name of the variable that holds an average."""
        held = self._averages.get(id(var))
        if held is not None:
            return held[1].name[:-2]
        word = var.op.name if isinstance(var, Symbol) else var.name[:-2]
        return f"{word}/{self._name}"

    def variables_to_restore(self, moving_avg_variables: Any = None) -> dict[str, Variable]:
        """For a `Saver`: variables by the names of their averages, all others by their own."""
        from plait.tf.compat._scopes import global_variables, moving_average_variables

        averaged = moving_avg_variables
        if averaged is None:
            averaged = [*trainable_variables(), *moving_average_variables()]
        found = {self.average_name(v): v for v in averaged}
        taken = {id(v) for v in averaged} | {id(a) for _, a in self._averages.values()}
        for variable in global_variables():
            if id(variable) not in taken and variable.name[:-2] not in found:
                found[variable.name[:-2]] = variable
        return found
