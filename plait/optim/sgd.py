"""Stochastic gradient descent, plain or with (Nesterov) momentum."""

from __future__ import annotations

from typing import Any

from plait._unbuilt import not_built
from plait.core.functional import updates
from plait.core.ir.errors import error
from plait.optim._apply import Update, UpdateRule, check_fused, check_lr, check_not_negative
from plait.optim.optimizer import ParamsT

__all__ = ["SGD"]


class SGD(UpdateRule):
    """Gradient descent with momentum, dampening, Nesterov's look-ahead and weight decay.

    State per parameter: momentum_buffer (only with momentum). `foreach` and `fused` change nothing.
    Raises ValueError for an option out of range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: Any = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check_not_negative("momentum value", momentum)
        check_not_negative("weight_decay value", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise error(ValueError, "Nesterov momentum requires a momentum and zero dampening")
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
                "foreach": foreach,
                "differentiable": differentiable,
                "fused": fused,
            },
        )
        check_fused(fused, foreach, differentiable)

    _takes_sparse = True

    def _update_sparse(self, update: Update, options: Any, param: Any, grad: Any) -> None:
        if options["weight_decay"]:
            raise error(
                RuntimeError,
                "add(sparse, dense) is not supported. Use add(dense, sparse) instead (SGD: "
                "weight_decay does not go with a sparse gradient)",
            )
        if options["momentum"] or options["differentiable"]:
            raise not_built("SGD of a sparse gradient with momentum or differentiable=True")
        lr = options["lr"] if options["maximize"] else -options["lr"]
        index, rows = grad.nodes()
        update.write(param, updates.add_rows(update.read(param), index, rows, lr))

    def _update(self, update: Update, options: dict[str, Any], param: Any, grad: Any) -> None:
        value = update.read(param)
        state = update.state_of(self, param)
        momentum = options["momentum"]
        velocity = state.value("momentum_buffer", None) if momentum != 0 else None
        grad = updates.raw_gradient(value, grad, options["weight_decay"], options["maximize"])
        if momentum != 0 and velocity is None and update.differentiable:
            # As in PyTorch, no gradient flows through the first velocity.
            velocity = grad.detach()
            nesterov = options["nesterov"]
            direction = updates.add_scaled(grad, velocity, momentum) if nesterov else velocity
            value = updates.add_scaled(value, direction, -options["lr"])
        else:
            value, velocity = updates.sgd(
                value,
                grad,
                velocity,
                lr=options["lr"],
                momentum=momentum,
                dampening=options["dampening"],
                nesterov=options["nesterov"],
            )
        update.write(param, value)
        if momentum != 0:
            state.write("momentum_buffer", velocity)
