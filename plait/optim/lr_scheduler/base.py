"""The base of the schedules, and the reading and writing of a group's options.

A schedule gives either the next rates from the present ones (`get_lr`, the chainable form, so that
several schedules can act on one optimizer), or also the rates of any epoch (`_get_closed_form_lr`).
"""

import functools
import types
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from plait.core.ir.errors import error
from plait.optim.optimizer import Optimizer, _to_scalar

EPOCH_DEPRECATION_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where "
    "possible. Please use `scheduler.step()` to step the scheduler. During the deprecation, if "
    "epoch is different from None, the closed form is used instead of the new chainable form, "
    "where available."
)
_ORDER_HELP = (
    " See more details at https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate"
)


def is_tensor(value: Any) -> bool:
    """Whether an option is a tensor (rates may be); Python numbers answer without an import."""
    if isinstance(value, float | int):
        return False
    import plait  # not at the top: the face imports this module

    return isinstance(value, plait.Tensor)


def own_copy(value: Any) -> Any:
    """A tensor's clone; any other value itself."""
    return value.clone() if is_tensor(value) else value


def group_values(optimizer: Optimizer, key: str) -> list[Any]:
    """Option `key` of each parameter group, tensors copied."""
    return [own_copy(group[key]) for group in optimizer.param_groups]


def set_group_value(group: dict[str, Any], key: str, value: Any) -> None:
    """Set an option; a tensor there is written in place, so that its other holders see it."""
    if is_tensor(group[key]):
        group[key].fill_(_to_scalar(value))
    else:
        group[key] = value


def per_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """`value` as a list with one entry per parameter group; ValueError if its length differs."""
    count = len(optimizer.param_groups)
    if not isinstance(value, list | tuple):
        value = [value] * count
    elif len(value) != count:
        raise error(
            ValueError,
            f"{name} must have the same length as optimizer.param_groups. "
            f"{name} has {len(value)} values, param_groups has {count}.",
        )
    return [own_copy(entry) for entry in value]


def check_optimizer(optimizer: Any) -> None:
    """Raise TypeError unless `optimizer` is one."""
    if not isinstance(optimizer, Optimizer):
        raise error(TypeError, f"{type(optimizer).__name__} is not an Optimizer")


def warn_if_verbose(verbose: Any) -> None:
    """`verbose` is accepted from programs written for older PyTorch; it has no effect."""
    if verbose != "deprecated":
        warnings.warn(
            "The verbose parameter is deprecated. Please use get_last_lr() to access the learning "
            "rate.",
            UserWarning,
            stacklevel=4,
        )


def callable_state(function: Any) -> dict[str, Any] | None:
    """What a state dict holds of a user's callable: an object's attributes, or nothing."""
    return None if isinstance(function, types.FunctionType) else function.__dict__.copy()


class LRScheduler:
    """Base class of schedules: counts steps, writes rates, checks the order of the calls.

    optimizer: the `Optimizer` to steer. last_epoch: -1 to begin, else the epoch to resume after
    (its groups must then have `initial_lr`; KeyError if not).
    """

    _get_lr_called_within_step: bool = False
    _is_initial: bool = False
    last_epoch: int

    def __init__(
        self, optimizer: Optimizer, last_epoch: int = -1, verbose: Any = "deprecated"
    ) -> None:
        check_optimizer(optimizer)
        warn_if_verbose(verbose)
        self.optimizer = optimizer
        if last_epoch == -1:
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", own_copy(group["lr"]))
        else:
            _check_resumable(optimizer)
        self.base_lrs: list[Any] = group_values(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        _note_optimizer_steps(optimizer)
        self._initial_step()

    def _initial_step(self) -> None:
        """Write the rates of the first epoch."""
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer, as a dict."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list[Any]:
        """The rates written last, one per parameter group."""
        return self._last_lr

    def get_lr(self) -> list[Any]:
        """The rates of this epoch from those in the groups; called within `step` only."""
        raise NotImplementedError

    def step(self, epoch: int | None = None) -> None:
        """Go on to the next epoch (or, deprecated, to `epoch`) and write its rates."""
        if self._step_count == 1:
            self._warn_about_order()
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_DEPRECATION_WARNING, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _warn_about_order(self) -> None:
        if not hasattr(self.optimizer.step, "_wrapped_by_lr_sched"):
            message = (
                "Seems like `optimizer.step()` has been overridden after learning rate scheduler "
                "initialization. Please, make sure to call `optimizer.step()` before "
                "`lr_scheduler.step()`."
            )
        elif not getattr(self.optimizer, "_opt_called", False):
            message = (
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`. "
                "In PyTorch 1.1.0 and later, you should call them in the opposite order: "
                "`optimizer.step()` before `lr_scheduler.step()`.  Failure to do this will result "
                "in PyTorch skipping the first value of the learning rate schedule."
            )
        else:
            return
        warnings.warn(message + _ORDER_HELP, UserWarning, stacklevel=3)

    def _update_lr(self, epoch: int | None = None) -> None:
        """Move to the epoch and write its rates, without counting a step."""
        closed_form = getattr(self, "_get_closed_form_lr", None)
        with self._computing_lr():
            if epoch is None:
                self.last_epoch += 1
                rates = self.get_lr()
            else:
                self.last_epoch = epoch
                rates = self.get_lr() if closed_form is None else closed_form()
        self._write_lr(rates)

    def _write_lr(self, rates: list[Any]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            set_group_value(group, "lr", rate)
        self._last_lr = group_values(self.optimizer, "lr")

    @contextmanager
    def _computing_lr(self) -> Iterator[None]:
        """Tell `get_lr` that it is called from a step."""
        self._get_lr_called_within_step = True
        try:
            yield
        finally:
            self._get_lr_called_within_step = False

    def _warn_if_outside_step(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, "
                "please use `get_last_lr()`.",
                UserWarning,
                stacklevel=3,
            )

    def _current_lrs(self) -> list[Any]:
        return group_values(self.optimizer, "lr")

    def _scaled_lrs(self, factor: float) -> list[Any]:
        return [group["lr"] * factor for group in self.optimizer.param_groups]


class _LRScheduler(LRScheduler):
    """The base's name in older PyTorch."""


def _check_resumable(optimizer: Optimizer) -> None:
    for index, group in enumerate(optimizer.param_groups):
        if "initial_lr" not in group:
            raise KeyError(
                f"param 'initial_lr' is not specified in param_groups[{index}] when resuming "
                "scheduler with last_epoch >= 0.\nThis typically happens when:\n"
                "1. You're trying to resume training from a checkpoint but haven't properly loaded "
                "the optimizer state\n"
                "2. You're using last_epoch >= 0 for a fresh training run (not recommended)"
            )


def _note_optimizer_steps(optimizer: Optimizer) -> None:
    """Make the optimizer remember (`_opt_called`) that its `step` was called."""
    if hasattr(optimizer.step, "_wrapped_by_lr_sched"):
        return
    step = optimizer.step.__func__
    reference = weakref.ref(optimizer)  # the wrapper sits on the optimizer: no reference cycle

    @functools.wraps(step)
    def noted_step(*args: Any, **kwargs: Any) -> Any:
        target = reference()
        assert target is not None, "an optimizer outlives the call of its own method"
        target._opt_called = True  # type: ignore[attr-defined]  # the schedules' own mark
        return step(target, *args, **kwargs)

    noted_step._wrapped_by_lr_sched = True  # type: ignore[attr-defined]  # the same
    optimizer.step = noted_step  # type: ignore[method-assign]  # instance attribute over the method
