"""Adam on the rows of a table that have a gradient, and on no others."""

from __future__ import annotations

from typing import Any

from plait._tensor import Tensor
from plait.core.functional import updates
from plait.core.ir.errors import error
from plait.core.lazy.hostnumber import sqrt
from plait.core.ops.index import PUT_AT, TAKE
from plait.optim._apply import Update, UpdateRule, check_betas
from plait.optim.optimizer import ParamsT

__all__ = ["SparseAdam"]


class SparseAdam(UpdateRule):
    """Adam for sparse gradients: moments and parameters change where rows have a gradient.

    State per parameter: step, exp_avg, exp_avg_sq. Raises ValueError for an option out of range,
    RuntimeError for a dense gradient.
    """

    _takes_sparse = True
    _has_differentiable = False

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise error(ValueError, "Tensor lr must be 1-element")
        if not lr > 0.0:
            raise error(ValueError, f"Invalid learning rate: {lr}")
        if not eps > 0.0:
            raise error(ValueError, f"Invalid epsilon value: {eps}")
        check_betas(betas)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})
        held = [param for group in self.param_groups for param in group["params"]]
        sparse = [number for number, param in enumerate(held) if param.is_sparse]
        if sparse:
            raise error(
                ValueError,
                f"Sparse params at indices {sparse}: SparseAdam requires dense parameter tensors",
            )
        if any(param.is_complex() for param in held):
            raise error(ValueError, "SparseAdam does not support complex parameters")

    def _check_gradient(self, param: Tensor) -> None:
        super()._check_gradient(param)
        if not param.grad.is_sparse:
            raise error(
                RuntimeError,
                "SparseAdam does not support dense gradients, please consider Adam instead",
            )

    def _update_sparse(self, update: Update, options: Any, param: Any, grad: Any) -> None:
        state = update.state_of(self, param)
        step = state.count()
        names = ("exp_avg", "exp_avg_sq")
        tables = [update.read(param), *[state.value(name) for name in names]]
        index, rows = grad.coalesce().nodes()
        beta1, beta2 = options["betas"]
        rate = options["lr"] * sqrt(1 - beta2**step) / (1 - beta1**step)
        held = [TAKE(table, index, axis=0) for table in tables]
        value, mean, square = updates.adam_rows(
            held[0],
            held[1],
            held[2],
            updates.raw_gradient(rows, rows, 0, options["maximize"]),
            rate=rate,
            betas=(beta1, beta2),
            eps=options["eps"],
        )
        changed = [PUT_AT(t, index, v, axis=0) for t, v in zip(tables, (value, mean, square))]
        update.write(param, changed[0])
        for name, table in zip(names, changed[1:]):
            state.write(name, table)
