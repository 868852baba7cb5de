"""RAdam: Adam whose adaptive scale waits until its variance is known."""

from __future__ import annotations

from typing import Any

from plait.core.functional import updates
from plait.optim._apply import (
    Update,
    UpdateRule,
    check_betas,
    check_lr,
    check_not_negative,
    with_decay,
)
from plait.optim.optimizer import ParamsT

__all__ = ["RAdam"]


class RAdam(UpdateRule):
    """Rectified Adam. State per parameter: step, exp_avg, exp_avg_sq.

    Raises ValueError for an option out of range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
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
                "maximize": maximize,
                "foreach": foreach,
                "capturable": capturable,
                "decoupled_weight_decay": decoupled_weight_decay,
                "differentiable": differentiable,
            },
        )

    def _update(self, update: Update, options: dict[str, Any], param: Any, grad: Any) -> None:
        state = update.state_of(self, param)
        step = state.count()
        value, grad = with_decay(update.read(param), grad, options)
        value, mean, square = updates.radam(
            value,
            grad,
            state.value("exp_avg"),
            state.value("exp_avg_sq"),
            step=step,
            lr=options["lr"],
            betas=options["betas"],
            eps=options["eps"],
        )
        update.write(param, value)
        state.write("exp_avg", mean)
        state.write("exp_avg_sq", square)
