"""Adadelta: steps in proportion to the sizes of earlier steps."""

from __future__ import annotations

from typing import Any

from plait.core.functional import updates
from plait.core.ir.errors import error
from plait.optim._apply import Update, UpdateRule, check_lr, check_not_negative
from plait.optim.optimizer import ParamsT

__all__ = ["Adadelta"]


class Adadelta(UpdateRule):
    """Adadelta. State per parameter: step, square_avg, acc_delta.

    Raises ValueError for an option out of range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 <= rho <= 1.0:
            raise error(ValueError, f"Invalid rho value: {rho}")
        check_not_negative("epsilon value", eps)
        check_not_negative("weight_decay value", weight_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "rho": rho,
                "eps": eps,
                "weight_decay": weight_decay,
                "maximize": maximize,
                "capturable": capturable,
                "foreach": foreach,
                "differentiable": differentiable,
            },
        )

    def _update(self, update: Update, options: dict[str, Any], param: Any, grad: Any) -> None:
        state = update.state_of(self, param)
        state.count()
        value = update.read(param)
        grad = updates.raw_gradient(value, grad, options["weight_decay"], options["maximize"])
        value, square, moved = updates.adadelta(
            value,
            grad,
            state.value("square_avg"),
            state.value("acc_delta"),
            lr=options["lr"],
            rho=options["rho"],
            eps=options["eps"],
        )
        update.write(param, value)
        state.write("square_avg", square)
        state.write("acc_delta", moved)
