"""Adam: descent scaled by running moments of the gradient."""

from __future__ import annotations

from typing import Any

from plait._tensor import Tensor
from plait.core.functional import updates
from plait.core.ir.errors import error
from plait.optim._apply import (
    Update,
    UpdateRule,
    check_betas,
    check_fused,
    check_lr,
    check_not_negative,
    with_decay,
)
from plait.optim.optimizer import ParamsT

__all__ = ["Adam"]


class Adam(UpdateRule):
    """Adaptive moments, with AMSGrad and L2 or decoupled weight decay.

    State per parameter: step, exp_avg, exp_avg_sq, and max_exp_avg_sq with `amsgrad`. `foreach`,
    `capturable` and `fused` change nothing. Raises ValueError for an option out of range.
    """

    _sparse_hint = ", please consider SparseAdam instead"

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        check_lr(lr, foreach, capturable)
        check_not_negative("epsilon value", eps)
        check_betas(betas)
        check_not_negative("weight_decay value", weight_decay)
        if isinstance(betas[0], Tensor) != isinstance(betas[1], Tensor):
            raise error(ValueError, "betas must be either both floats or both Tensors")
        for index, beta in enumerate(betas):
            if isinstance(beta, Tensor) and foreach and not capturable:
                raise error(
                    ValueError,
                    f"betas[{index}] as a Tensor is not supported for capturable=False and "
                    "foreach=True",
                )
            if isinstance(beta, Tensor) and beta.numel() != 1:
                raise error(ValueError, f"Tensor betas[{index}] must be 1-element")
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
                "foreach": foreach,
                "capturable": capturable,
                "differentiable": differentiable,
                "fused": fused,
                "decoupled_weight_decay": decoupled_weight_decay,
            },
        )
        check_fused(fused, foreach, differentiable)

    def _update(self, update: Update, options: dict[str, Any], param: Any, grad: Any) -> None:
        state = update.state_of(self, param)
        step = state.count()
        value, grad = with_decay(update.read(param), grad, options)
        value, mean, square, largest = updates.adam(
            value,
            grad,
            state.value("exp_avg"),
            state.value("exp_avg_sq"),
            state.value("max_exp_avg_sq") if options["amsgrad"] else None,
            step=step,
            lr=options["lr"],
            betas=options["betas"],
            eps=options["eps"],
        )
        update.write(param, value)
        state.write("exp_avg", mean)
        state.write("exp_avg_sq", square)
        if largest is not None:
            state.write("max_exp_avg_sq", largest)
