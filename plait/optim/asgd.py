"""Averaged stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from plait.core.functional import updates
from plait.core.lazy.hostnumber import rounded
from plait.optim._apply import Update, UpdateRule, check_lr, check_not_negative, scalar_dtype
from plait.optim.optimizer import ParamsT

__all__ = ["ASGD"]


class ASGD(UpdateRule):
    """Averaged gradient descent. State per parameter: step, eta, mu, ax (the average).

    Raises ValueError for an option out of range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative("weight_decay value", weight_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "lambd": lambd,
                "alpha": alpha,
                "t0": t0,
                "weight_decay": weight_decay,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "capturable": capturable,
            },
        )

    def _update(self, update: Update, options: dict[str, Any], param: Any, grad: Any) -> None:
        state = update.state_of(self, param)
        lr, lambd = options["lr"], options["lambd"]
        step = state.count()
        eta = state.rounded("eta", lr)
        value = update.read(param)
        grad = updates.raw_gradient(value, grad, options["weight_decay"], options["maximize"])
        value, average = updates.asgd(
            value, grad, state.value("ax"), eta=eta, lambd=lambd, mu=state.rounded("mu", 1.0)
        )
        update.write(param, value)
        # As the default dtype holds them, whatever the loaded state keeps them in.
        eta = rounded(lr / (1 + lambd * lr * step) ** options["alpha"], scalar_dtype())
        state.write_number("eta", eta)
        state.write_number("mu", rounded(1 / max(1, step - options["t0"]), scalar_dtype()))
        state.write("ax", average)
