"""Rprop: steps by the sign of the gradient alone."""

from __future__ import annotations

from typing import Any

from plait.core.functional import updates
from plait.core.ir.errors import error
from plait.optim._apply import Update, UpdateRule, check_lr
from plait.optim.optimizer import ParamsT

__all__ = ["Rprop"]


class Rprop(UpdateRule):
    """Resilient backpropagation. State per parameter: step, prev, step_size.

    Raises ValueError for an option out of range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise error(ValueError, f"Invalid eta values: {etas[0]}, {etas[1]}")
        super().__init__(
            params,
            {
                "lr": lr,
                "etas": etas,
                "step_sizes": step_sizes,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "capturable": capturable,
            },
        )

    def _update(self, update: Update, options: dict[str, Any], param: Any, grad: Any) -> None:
        state = update.state_of(self, param)
        state.count()
        value = update.read(param)
        grad = updates.raw_gradient(value, grad, 0, options["maximize"])
        value, previous, size = updates.rprop(
            value,
            grad,
            state.value("prev"),
            state.value("step_size", options["lr"]),
            etas=options["etas"],
            limits=options["step_sizes"],
        )
        update.write(param, value)
        state.write("prev", previous)
        state.write("step_size", size)
