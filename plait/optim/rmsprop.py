"""RMSprop: descent scaled by a running mean of squared gradients."""

from __future__ import annotations

from typing import Any

from plait.core.functional import updates
from plait.optim._apply import Update, UpdateRule, check_lr, check_not_negative
from plait.optim.optimizer import ParamsT

__all__ = ["RMSprop"]


class RMSprop(UpdateRule):
    """RMSprop, plain or centered, with momentum.

    State per parameter: step, square_avg, momentum_buffer with momentum, grad_avg when centered.
    Raises ValueError for an option out of range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative("epsilon value", eps)
        check_not_negative("momentum value", momentum)
        check_not_negative("weight_decay value", weight_decay)
        check_not_negative("alpha value", alpha)
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "alpha": alpha,
                "eps": eps,
                "centered": centered,
                "weight_decay": weight_decay,
                "capturable": capturable,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
            },
        )

    def _update(self, update: Update, options: dict[str, Any], param: Any, grad: Any) -> None:
        state = update.state_of(self, param)
        state.count()
        value = update.read(param)
        grad = updates.raw_gradient(value, grad, options["weight_decay"], options["maximize"])
        momentum = options["momentum"]
        value, square, average, velocity = updates.rmsprop(
            value,
            grad,
            state.value("square_avg"),
            state.value("grad_avg") if options["centered"] else None,
            state.value("momentum_buffer") if momentum > 0 else None,
            lr=options["lr"],
            alpha=options["alpha"],
            eps=options["eps"],
            momentum=momentum,
        )
        update.write(param, value)
        state.write("square_avg", square)
        if velocity is not None:
            state.write("momentum_buffer", velocity)
        if average is not None:
            state.write("grad_avg", average)
