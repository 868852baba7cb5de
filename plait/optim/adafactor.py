"""Adafactor: adaptive steps from averages of rows and columns instead of one for each element."""

from __future__ import annotations

from typing import Any

from plait._tensor import Tensor
from plait._types import finfo
from plait.core.functional import matrix_updates
from plait.core.functional.updates import raw_gradient
from plait.core.ir.errors import error
from plait.optim._apply import Update, UpdateRule
from plait.optim.optimizer import ParamsT

__all__ = ["Adafactor"]


class Adafactor(UpdateRule):
    """Adafactor. State per parameter: step, and row_var and col_var, or variance for a vector.

    Args:
        lr: the greatest rate; less is taken after 1 / lr**2 steps.
        beta2_decay: the averages' weight of a new value is step**beta2_decay.
        eps: a floor of the averages' mean (by default the dtype's eps), and of the parameter's
            root mean square, to which steps are proportional.
        d: the greatest root mean square of a step before scaling.

    Raises ValueError for an option out of range.
    """

    _has_differentiable = False

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise error(ValueError, "Tensor lr must be 1-element")
        for what, value in (
            ("Learning rate", lr),
            ("epsilon1", eps[0] or 0.0),
            ("epsilon2", eps[1]),
            ("weight_decay", weight_decay),
        ):
            if not value >= 0.0:
                raise error(ValueError, f"{what} should be >= 0 but is: {value}")
        if not beta2_decay <= 0.0:
            raise error(ValueError, f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if not d >= 1.0:
            raise error(ValueError, f"Clipping threshold d should be >= 1 but is: {d}")
        super().__init__(
            params,
            {
                "lr": lr,
                "beta2_decay": beta2_decay,
                "eps": eps,
                "d": d,
                "weight_decay": weight_decay,
                "foreach": foreach,
                "maximize": maximize,
            },
        )

    def _check_gradient(self, param: Tensor) -> None:
        if param.is_complex():
            raise error(RuntimeError, "Adafactor does not support complex parameters")
        super()._check_gradient(param)

    def _update(self, update: Update, options: dict[str, Any], param: Any, grad: Any) -> None:
        state = update.state_of(self, param)
        step = state.count()
        shape = tuple(param.shape)
        if len(shape) > 1:
            names = {"row_var": (*shape[:-1], 1), "col_var": (*shape[:-2], 1, shape[-1])}
        else:
            names = {"variance": shape}
        value = update.read(param)
        floor, least = options["eps"]
        value, averages = matrix_updates.adafactor(
            value,
            raw_gradient(value, grad, 0, options["maximize"]),
            tuple([state.value(name, shape=extents) for name, extents in names.items()]),
            step=step,
            lr=options["lr"],
            beta2_decay=options["beta2_decay"],
            eps=(finfo(param.dtype).eps if floor is None else floor, least),
            d=options["d"],
            weight_decay=options["weight_decay"],
        )
        update.write(param, value)
        for name, average in zip(names, averages):
            state.write(name, average)
