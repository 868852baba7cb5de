"""Clipping of gradients in place: by their joint norm, or by value."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import plait
from plait import Tensor
from plait.core.ir.errors import error
from plait.core.lazy.replay.function import one_step

__all__ = [
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
]

Tensors = Tensor | Iterable[Tensor]


def _as_list(tensors: Tensors) -> list[Any]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def get_total_norm(
    tensors: Tensors,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all tensors as one vector: a 0-d tensor, 0 for no tensors.

    `foreach` is accepted and changes nothing. RuntimeError for nan or inf if asked for.
    """
    listed = _as_list(tensors)
    norm_type = float(norm_type)
    if not listed:
        return plait.tensor(0.0)
    total = _joint_norm(norm_type, *listed)
    if error_if_nonfinite and not plait.isfinite(total):
        raise error(
            RuntimeError,
            f"The total norm of order {norm_type} for gradients from "
            "`parameters` is non-finite, so it cannot be clipped. To disable "
            "this error and scale the gradients by the non-finite norm anyway, "
            "set `error_if_nonfinite=False`",
        )
    return total


def clip_grads_with_norm_(
    parameters: Tensors, max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale the gradients of `parameters` by min(1, max_norm / total_norm)."""
    gradients = [p.grad for p in _as_list(parameters) if p.grad is not None]
    if not gradients:
        return
    with plait.no_grad():
        if _are_apart(gradients):
            scaled = _scaled(float(max_norm), total_norm, *gradients)
            for gradient, result in zip(gradients, scaled):
                gradient.assign_result("mul_", result)
            return
        factor = _factor(float(max_norm), total_norm)
        for gradient in gradients:
            gradient.mul_(factor)


@one_step
def _joint_norm(norm_type: float, *tensors: Tensor) -> Tensor:
    norms = [plait.linalg.vector_norm(tensor, norm_type) for tensor in tensors]
    return plait.linalg.vector_norm(plait.stack(norms), norm_type)


@one_step
def _scaled(max_norm: float, total_norm: Tensor, *gradients: Tensor) -> tuple[Tensor, ...]:
    factor = _factor(max_norm, total_norm)
    return tuple([gradient * factor for gradient in gradients])


def _factor(max_norm: float, total_norm: Tensor) -> Tensor:
    # Multiplying by 1 costs less than finding out, in Python, whether it is needed.
    return plait.clamp(max_norm / (total_norm + 1e-6), max=1.0)


def _are_apart(gradients: list[Any]) -> bool:
    """Whether all may be computed before the first is written: dense, each in memory of its own."""
    if not all(type(gradient).is_dense for gradient in gradients):
        return False
    cells = [gradient.storage_cell for gradient in gradients]
    # Memory that NumPy sees as well may be part of the same array.
    return len({id(cell) for cell in cells if cell.shared is None}) == len(cells)


def clip_grad_norm_(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale the gradients so that their joint norm is at most `max_norm`; gives the norm before."""
    listed = _as_list(parameters)
    with plait.no_grad():
        gradients = [p.grad for p in listed if p.grad is not None]
        total_norm = get_total_norm(gradients, norm_type, error_if_nonfinite)
        clip_grads_with_norm_(listed, max_norm, total_norm)
    return total_norm


def clip_grad_norm(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The old name of `clip_grad_norm_`."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated "
        "in favor of `torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


def clip_grad_value_(parameters: Tensors, clip_value: float, foreach: bool | None = None) -> None:
    """Clamp every gradient to [-clip_value, clip_value]."""
    clip_value = float(clip_value)
    with plait.no_grad():
        for parameter in _as_list(parameters):
            if parameter.grad is not None:
                parameter.grad.clamp_(min=-clip_value, max=clip_value)
