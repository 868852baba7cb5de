"""`AveragedModel`: a module whose weights are the running average of another's."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from typing import Any

from plait._functions.creation import tensor
from plait.core.ir import dtypes
from plait.core.lazy.modes import grad_mode
from plait.nn import Module
from plait.optim.swa_utils import get_swa_avg_fn


class AveragedModel(Module):
    """A copy of `model` that `update_parameters` moves toward the average (equal by default).

    avg_fn(averaged, current, count) gives a new average; multi_avg_fn does so for lists, in place.
    use_buffers: average buffers too, else take the model's.
    """

    n_averaged: Any

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Callable[..., Any] | None = None,
        multi_avg_fn: Callable[..., Any] | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0, dtype=dtypes.int64))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The averaged model's output."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the weights of `model` into the average."""
        averaged, current = self._values(self.module), self._values(model)
        with grad_mode(False):
            if int(self.n_averaged) == 0:
                for mean, value in zip(averaged, current):
                    mean.copy_(value)
            elif self.multi_avg_fn is not None:
                self.multi_avg_fn(averaged, current, self.n_averaged)
            else:
                average = self.avg_fn or get_swa_avg_fn()
                for mean, value in zip(averaged, current):
                    mean.copy_(average(mean, value, self.n_averaged))
            if not self.use_buffers:
                for mean, value in zip(self.module.buffers(), model.buffers()):
                    mean.copy_(value)
            self.n_averaged += 1

    def _values(self, module: Module) -> list[Any]:
        values = module.parameters()
        if self.use_buffers:
            values = itertools.chain(values, module.buffers())
        return [value.detach() for value in values]
