"""NAdam: Adam with Nesterov momentum."""

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

__all__ = ["NAdam"]


class NAdam(UpdateRule):
    """NAdam. State per parameter: step, mu_product, exp_avg, exp_avg_sq.

    Raises ValueError for an option out of range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
        check_not_negative("momentum_decay value", momentum_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "momentum_decay": momentum_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
                "foreach": foreach,
                "capturable": capturable,
                "differentiable": differentiable,
            },
        )

    def _update(self, update: Update, options: dict[str, Any], param: Any, grad: Any) -> None:
        state = update.state_of(self, param)
        step = state.count()
        lr, beta1, decay = options["lr"], options["betas"][0], options["momentum_decay"]
        momentum = beta1 * (1 - 0.5 * 0.96 ** (step * decay))
        following = beta1 * (1 - 0.5 * 0.96 ** ((step + 1) * decay))
        # The product is kept in the state tensor's dtype, whose rounding is part of the method.
        product = state.multiply("mu_product", momentum)
        value, grad = with_decay(update.read(param), grad, options)
        value, mean, square = updates.nadam(
            value,
            grad,
            state.value("exp_avg"),
            state.value("exp_avg_sq"),
            step=step,
            betas=options["betas"],
            eps=options["eps"],
            grad_size=lr * (1 - momentum) / (1 - product),
            mean_size=lr * following / (1 - product * following),
        )
        update.write(param, value)
        state.write("exp_avg", mean)
        state.write("exp_avg_sq", square)
