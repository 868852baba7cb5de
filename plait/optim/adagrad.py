"""Adagrad: descent scaled by the sum of squared gradients."""

from __future__ import annotations

from typing import Any

from plait._tensor import Tensor
from plait._unbuilt import not_built
from plait.core.functional import updates
from plait.core.ir.errors import error
from plait.core.ops.index import PUT_AT, TAKE
from plait.core.ops.source import full
from plait.optim._apply import (
    Update,
    UpdateRule,
    check_fused,
    check_lr,
    check_not_negative,
    scalar_dtype,
)
from plait.optim.optimizer import ParamsT

__all__ = ["Adagrad"]


class Adagrad(UpdateRule):
    """Adagrad. State per parameter, from the start: step and sum.

    Raises ValueError for an option out of range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check_not_negative("lr_decay value", lr_decay)
        check_not_negative("weight_decay value", weight_decay)
        check_not_negative("initial_accumulator_value value", initial_accumulator_value)
        check_not_negative("epsilon value", eps)
        super().__init__(
            params,
            {
                "lr": lr,
                "lr_decay": lr_decay,
                "eps": eps,
                "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "fused": fused,
            },
        )
        check_fused(fused, foreach, differentiable)
        for group in self.param_groups:
            for param in group["params"]:
                start = full(float(initial_accumulator_value), param.shape, param.dtype)
                self.state[param] = {
                    "step": Tensor.of_node(full(0.0, (), scalar_dtype())),
                    "sum": Tensor.of_node(start),
                }

    def share_memory(self) -> None:
        """Nothing to do: worker processes receive copies."""

    _takes_sparse = True

    def _update_sparse(self, update: Update, options: Any, param: Any, grad: Any) -> None:
        if options["weight_decay"] != 0:
            raise error(RuntimeError, "weight_decay option is not compatible with sparse gradients")
        if options["differentiable"]:
            raise not_built("Adagrad of a sparse gradient with differentiable=True")
        state = update.state_of(self, param)
        step = state.count()
        index, rows = grad.coalesce().nodes()
        tables = update.read(param), state.value("sum", options["initial_accumulator_value"])
        value, total = updates.adagrad(
            TAKE(tables[0], index, axis=0),
            updates.raw_gradient(rows, rows, 0, options["maximize"]),
            TAKE(tables[1], index, axis=0),
            lr=options["lr"] / (1 + (step - 1) * options["lr_decay"]),
            eps=options["eps"],
        )
        update.write(param, PUT_AT(tables[0], index, value, axis=0))
        state.write("sum", PUT_AT(tables[1], index, total, axis=0))

    def _update(self, update: Update, options: dict[str, Any], param: Any, grad: Any) -> None:
        state = update.state_of(self, param)
        step = state.count()
        value = update.read(param)
        grad = updates.raw_gradient(value, grad, options["weight_decay"], options["maximize"])
        value, total = updates.adagrad(
            value,
            grad,
            state.value("sum", options["initial_accumulator_value"]),
            lr=options["lr"] / (1 + (step - 1) * options["lr_decay"]),
            eps=options["eps"],
        )
        update.write(param, value)
        state.write("sum", total)
