"""Muon: momentum steps of matrices, made orthogonal."""

from __future__ import annotations

from typing import Any

from plait._tensor import Tensor
from plait.core.functional import matrix_updates
from plait.core.ir.errors import error
from plait.core.lazy.hostnumber import fixed
from plait.optim._apply import Update, UpdateRule
from plait.optim.optimizer import ParamsT

__all__ = ["Muon"]

_MOST_STEPS = 100


class Muon(UpdateRule):
    """Muon, for parameters that are matrices. State per parameter: momentum_buffer.

    Args:
        ns_coefficients, ns_steps, eps: of the Newton-Schulz iteration that makes a step
            orthogonal; it works in bfloat16.
        adjust_lr_fn: how the rate follows the matrix's shape: "original" (None) or
            "match_rms_adamw".

    Raises ValueError for an option out of range or a parameter that is no matrix.
    """

    _has_differentiable = False

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise error(ValueError, "Tensor lr must be 1-element")
        for what, value in (
            ("Learning rate", lr),
            ("momentum", momentum),
            ("weight decay", weight_decay),
        ):
            if not value >= 0.0:
                raise error(ValueError, f"{what} should be >= 0 but is: {value}")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise error(
                ValueError, f"Adjust learning rate function {adjust_lr_fn} is not supported"
            )
        super().__init__(
            params,
            {
                "lr": lr,
                "weight_decay": weight_decay,
                "momentum": momentum,
                "nesterov": nesterov,
                "ns_coefficients": ns_coefficients,
                "eps": eps,
                "ns_steps": ns_steps,
                "adjust_lr_fn": adjust_lr_fn,
            },
        )
        for group in self.param_groups:
            for param in group["params"]:
                if param.ndim != 2:
                    raise error(
                        ValueError,
                        "Muon only supports 2D parameters whereas we found a parameter with size: "
                        f"{param.size()}",
                    )

    def _check_gradient(self, param: Tensor) -> None:
        if param.is_complex():
            raise error(RuntimeError, "Muon does not support complex parameters")
        super()._check_gradient(param)

    def _update(self, update: Update, options: dict[str, Any], param: Any, grad: Any) -> None:
        steps = fixed(options["ns_steps"])
        if steps >= _MOST_STEPS:
            raise error(
                ValueError,
                "Number of steps must be less than 100 for computational efficiency, received "
                f"ns_steps={steps}",
            )
        if len(options["ns_coefficients"]) != 3:
            raise error(ValueError, "Coefficients must be a tuple of exactly 3 values")
        state = update.state_of(self, param)
        value, momentum = matrix_updates.muon(
            update.read(param),
            grad,
            state.value("momentum_buffer"),
            lr=options["lr"],
            weight_decay=options["weight_decay"],
            decay=options["momentum"],
            nesterov=options["nesterov"],
            coefficients=options["ns_coefficients"],
            eps=options["eps"],
            steps=steps,
            scale=matrix_updates.muon_scale(tuple(param.shape), options["adjust_lr_fn"]),
        )
        update.write(param, value)
        state.write("momentum_buffer", momentum)
