"""One optimizer step as a transaction: record everything, compute it in one run, then store.

Nothing is written before all new values are known. A fault that is found while computing them (a
label out of range, say) therefore leaves parameters and optimizer state, step counts included,
as they were.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from plait._promotion import get_default_dtype
from plait._tensor import Tensor
from plait.core.functional import updates
from plait.core.ir import dtypes
from plait.core.ir.errors import error
from plait.core.ir.node import Node
from plait.core.lazy.capture import current
from plait.core.lazy.cell import Cell, compute_all, leaf_of
from plait.core.lazy.hostnumber import HostNumber, plain, product_in, rounded
from plait.core.lazy.modes import grad_mode
from plait.core.ops.source import full
from plait.optim import _replay
from plait.optim.optimizer import Optimizer


class Update:
    """The writes of one step. Used in a `with`: leaving it stores them, an exception drops them.

    differentiable: record on tensors, so that gradients flow through the step, and write at once.
    """

    def __init__(self, differentiable: bool = False) -> None:
        self.differentiable = differentiable
        self._writes: dict[int, tuple[Tensor, Any]] = {}
        self._created: dict[tuple[int, str], tuple[Any, Any, str, Any]] = {}

    def __enter__(self) -> Update:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        if kind is None:
            self._commit()

    def read(self, tensor: Tensor) -> Any:
        """The value of a tensor as this step has left it."""
        held = self.pending(tensor)
        if held is not None:
            return held
        return tensor if self.differentiable else tensor.read()

    def write(self, tensor: Tensor, value: Any) -> None:
        """Give a tensor a new value when the step is over."""
        if self.differentiable:
            tensor.assign(value)
        else:
            self._writes[_memory(tensor)] = (tensor, value)

    def pending(self, tensor: Tensor) -> Any:
        """What this step is going to write to a tensor's memory; None where that is nothing."""
        held = self._writes.get(_memory(tensor))
        return None if held is None else held[1]

    @property
    def writes(self) -> list[tuple[Tensor, Any]]:
        """The tensors to be written, and their values."""
        return list(self._writes.values())

    @property
    def creates(self) -> bool:
        """Whether optimizer state is made."""
        return bool(self._created)

    def drop(self) -> None:
        """Forget all that was to be written."""
        self._writes.clear()
        self._created.clear()

    def state_of(self, optimizer: Optimizer, param: Tensor) -> ParamState:
        """The state that an optimizer keeps for a parameter."""
        return ParamState(self, optimizer.state, param)

    def _commit(self) -> None:
        written = list(self._writes.values())
        values = [value for _, value in written] + [made[3] for made in self._created.values()]
        active = current()
        if active is None:
            compute_all([Cell(v) if type(v) is Node else v.storage_cell for v in values])
        elif self._created:
            active.discarded = "optimizer state is made"
            active.created += [Cell(v) for *_, v in self._created.values() if type(v) is Node]
        with grad_mode(False):
            for tensor, value in written:
                tensor.assign(value)
        for state, param, name, value in self._created.values():
            if active is not None:
                active.undo.append(partial(_forget, state, param, name))
            state[param][name] = Tensor.of_node(value) if type(value) is Node else value


def _memory(tensor: Tensor) -> int:
    """What tells memory apart: tensors that share it, by `.data`, are updated one after another."""
    return id(tensor if tensor._base is not None else tensor._cell)


def _forget(state: Any, param: Tensor, name: str) -> None:
    """Undo the making of one entry of the state."""
    held = state.get(param)
    if held is not None:
        held.pop(name, None)
        if not held:
            del state[param]


class ParamState:
    """The named values kept for one parameter; those that are missing start from a default."""

    def __init__(self, update: Update, state: Any, param: Tensor) -> None:
        self._update = update
        self._all = state
        self._param = param
        self._held = state.get(param, {})

    def value(
        self, name: str, initial: float | None = 0, shape: tuple[int, ...] | None = None
    ) -> Any:
        """A value of the parameter's dtype, and of its shape by default; with `initial=None`, None
        where missing."""
        made = self._update._created.get((id(self._param), name))
        if made is not None:
            return made[3]
        held = self._held.get(name)
        if held is not None:
            self._guard(name, held)
            return self._update.read(held)
        if initial is None:
            return None
        extents = self._param.shape if shape is None else shape
        return full(plain(initial), extents, self._param.dtype)

    def _guard(self, name: str, held: Any) -> None:
        """A compiled step holds only while this very value is kept."""
        active = current()
        if active is not None:
            active.kept.append((self._all, self._param, name, held))

    def write(self, name: str, value: Any) -> None:
        """Keep a value under this name from the end of the step on."""
        held = self._held.get(name)
        if isinstance(held, Tensor):
            self._update.write(held, value)
        else:
            self._update._created[id(self._param), name] = (self._all, self._param, name, value)

    def number(self, name: str, initial: float = 0.0) -> Any:
        """A single number."""
        active = current()
        made = self._update._created.get((id(self._param), name))
        held = made[3] if made is not None else self._held.get(name, initial)
        if isinstance(held, Tensor):
            written = self._update.pending(held)
            if written is not None:
                held = written
            elif active is not None:
                self._guard(name, held)
                return active.number(held)
            else:
                held = held.item()
        if type(held) is HostNumber:
            return held
        if active is not None and id(held) in active.number_of:
            return active.number_of[id(held)][0]
        return float(held.value) if type(held) is Node else float(held)

    def write_number(self, name: str, value: Any) -> Any:
        """Keep a number in a 0-d tensor; the number as that tensor's dtype holds it."""
        held = self._held.get(name)
        dtype = held.dtype if isinstance(held, Tensor) else scalar_dtype()
        shape = held.shape if isinstance(held, Tensor) else ()
        active = current()
        if active is not None and type(value) is HostNumber and shape == ():
            value = rounded(value, dtype)
            self.write(name, active.number_node(value, dtype))
            return value
        value = plain(value)
        array = np.full(shape, value, dtype.numpy)
        self.write(name, leaf_of(array))
        return float(array.reshape(-1)[0])

    def rounded(self, name: str, initial: float) -> Any:
        """A number as the dtype it is kept in holds it, from its first use on."""
        held = self._held.get(name)
        dtype = held.dtype if isinstance(held, Tensor) else scalar_dtype()
        return rounded(self.number(name, initial), dtype)

    def multiply(self, name: str, factor: float) -> Any:
        """Multiply a number that starts at 1, in the dtype it is kept in; the product."""
        held = self._held.get(name)
        dtype = held.dtype if isinstance(held, Tensor) else scalar_dtype()
        return self.write_number(name, product_in(self.number(name, 1.0), factor, dtype))

    def count(self, name: str = "step") -> Any:
        """Count one more step; the number of this one."""
        return self.write_number(name, self.number(name) + 1)


class UpdateRule(Optimizer):
    """An optimizer that treats every parameter by the same rule, `_update`."""

    #: What follows the class's name when a sparse gradient is refused.
    _sparse_hint = ""
    #: Whether there is a rule for sparse gradients.
    _takes_sparse = False
    #: Whether `differentiable` is an option.
    _has_differentiable = True

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name, default in self.defaults.items():
                if name != "differentiable" or self._has_differentiable:
                    group.setdefault(name, default)  # options that an older file does not have

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; gives the closure's loss, if there is one.

        closure: re-evaluates the model, calls backward and gives the loss.
        """
        loss = None
        if closure is not None:
            with grad_mode(True):
                loss = closure()
        if _replay.in_parts(self, self._record_one) or _replay.replay(self):
            return loss
        differentiable = any(group.get("differentiable", False) for group in self.param_groups)
        with grad_mode(differentiable), Update(differentiable) as update:
            if not differentiable:
                _replay.learn(self, self._record, update)
            if not update.writes:
                self._record(update)
        return loss

    #: What it writes is computed when it returns.
    step.computes = True  # type: ignore[attr-defined]  # a mark for `Optimizer`

    def _record(self, update: Update) -> None:
        """Record the update of every parameter that has a gradient."""
        for group in self.param_groups:
            options = self._options(group)
            for param in group["params"]:
                if param.grad is not None:
                    self._record_param(update, options, param)

    def _record_one(self, update: Update, group: dict[str, Any], param: Tensor) -> None:
        """Record the update of one parameter."""
        self._record_param(update, self._options(group), param)

    def _record_param(self, update: Update, options: Any, param: Tensor) -> None:
        self._check_gradient(param)
        if param.grad.is_sparse:
            self._update_sparse(update, options, param, param.grad)
        else:
            self._update(update, options, param, update.read(param.grad))

    def _options(self, group: dict[str, Any]) -> Any:
        """A group's options, tensors as numbers; in a compiled step those of each later call."""
        active = current()
        if active is not None:
            return active.options(self, group)
        return {key: number(option) for key, option in group.items() if key != "params"}

    def _check_gradient(self, param: Tensor) -> None:
        name = type(self).__name__
        if param.grad.is_sparse and not self._takes_sparse:
            raise error(
                RuntimeError, f"{name} does not support sparse gradients{self._sparse_hint}"
            )
        if param.is_complex():
            raise error(
                NotImplementedError,
                f"{name}: complex parameters are not built in Plait yet, received dtype "
                f"{param.dtype} and shape {list(param.shape)}",
            )

    def _update(self, update: Update, options: dict[str, Any], param: Tensor, grad: Any) -> None:
        raise NotImplementedError

    def _update_sparse(self, update: Update, options: Any, param: Tensor, grad: Any) -> None:
        """The rule for a sparse gradient, where `_takes_sparse`."""
        raise NotImplementedError

    def _compute_step(self) -> None:
        """Nothing waits: `step` has computed all that it wrote."""


def with_decay(value: Any, grad: Any, options: dict[str, Any]) -> tuple[Any, Any]:
    """(parameter, gradient) after weight decay: decoupled, or as an L2 penalty."""
    decay = options["weight_decay"]
    if options["decoupled_weight_decay"] and decay:
        value = updates.times(value, 1 - options["lr"] * decay)
        decay = 0
    return value, updates.raw_gradient(value, grad, decay, options["maximize"])


def scalar_dtype() -> Any:
    """The dtype of the numbers kept in state: float64 where that is the default, else float32."""
    return dtypes.float64 if get_default_dtype() is dtypes.float64 else dtypes.float32


def number(option: Any) -> Any:
    """An option with its tensors read as Python numbers."""
    if isinstance(option, Tensor):
        return option.item()
    if isinstance(option, tuple):
        return tuple([number(part) for part in option])
    return option


# -- checks of options ------------------------------------------------------------------------


def check_lr(lr: Any, foreach: bool | None = None, capturable: bool = True) -> None:
    """Raise ValueError for a learning rate that is negative or not one number."""
    if isinstance(lr, Tensor):
        if foreach and not capturable:
            raise error(
                ValueError, "lr as a Tensor is not supported for capturable=False and foreach=True"
            )
        if lr.numel() != 1:
            raise error(ValueError, "Tensor lr must be 1-element")
    check_not_negative("learning rate", lr)


def check_not_negative(what: str, value: Any) -> None:
    """Raise ValueError for a negative option."""
    if not value >= 0.0:
        raise error(ValueError, f"Invalid {what}: {value}")


def check_betas(betas: Any) -> None:
    """Raise ValueError for a decay rate outside [0, 1)."""
    for index, beta in enumerate(betas):
        if not 0.0 <= beta < 1.0:
            raise error(ValueError, f"Invalid beta parameter at index {index}: {beta}")


def check_fused(fused: bool | None, foreach: bool | None, differentiable: bool) -> None:
    """Raise RuntimeError for hints that exclude each other. The hints themselves change nothing."""
    if not fused:
        return
    if differentiable:
        raise error(RuntimeError, "`fused` does not support `differentiable`")
    if foreach:
        raise error(RuntimeError, "`fused` and `foreach` cannot be `True` together.")
