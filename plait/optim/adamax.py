"""Adamax: Adam with the largest magnitude in place of the second moment."""

from __future__ import annotations

from typing import Any

from plait.core.functional import updates
from plait.optim._apply import Update, UpdateRule, check_betas, check_lr, check_not_negative
from plait.optim.optimizer import ParamsT

__all__ = ["Adamax"]


class Adamax(UpdateRule):
    """Adamax. State per parameter: step, exp_avg, exp_inf.

    Raises ValueError for an option out of range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative("epsilon value", eps)
        check_betas(betas)
        check_not_negative("weight_decay value", weight_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "capturable": capturable,
            },
        )

    def _update(self, update: Update, options: dict[str, Any], param: Any, grad: Any) -> None:
        state = update.state_of(self, param)
        step = state.count()
        value = update.read(param)
        grad = updates.raw_gradient(value, grad, options["weight_decay"], options["maximize"])
        value, mean, norm = updates.adamax(
            value,
            grad,
            state.value("exp_avg"),
            state.value("exp_inf"),
            step=step,
            lr=options["lr"],
            betas=options["betas"],
            eps=options["eps"],
        )
        update.write(param, value)
        state.write("exp_avg", mean)
        state.write("exp_inf", norm)
