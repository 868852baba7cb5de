"""Automatic differentiation: gradients on demand, user-defined functions, switches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plait._tensor import Tensor
from plait.autograd import forward_ad, function, functional, grad_mode, graph, profiler
from plait.autograd.anomaly_mode import detect_anomaly, is_anomaly_enabled, set_detect_anomaly
from plait.autograd.function import Function, NestedIOFunction
from plait.autograd.grad_mode import (
    enable_grad,
    inference_mode,
    no_grad,
    set_grad_enabled,
    set_multithreading_enabled,
)
from plait.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck
from plait.autograd.variable import Variable
from plait.core.ir.errors import error
from plait.core.lazy import backward as differentiation

__all__ = [
    "Function",
    "GradcheckError",
    "NestedIOFunction",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "forward_ad",
    "function",
    "functional",
    "grad",
    "grad_mode",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "is_anomaly_enabled",
    "no_grad",
    "profiler",
    "set_detect_anomaly",
    "set_grad_enabled",
    "set_multithreading_enabled",
]


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Accumulate the gradients of tensors into the `.grad` of the leaves they depend on.

    grad_tensors: one per tensor (None for tensors of one element). inputs: accumulate into these
    only. Raises RuntimeError as PyTorch does (no graph, not a scalar, freed graph, wrong shapes).
    """
    if grad_variables is not None:
        if grad_tensors is not None:
            raise error(
                RuntimeError,
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to "
                "`backward()`. Please only use `grad_tensors`.",
            )
        grad_tensors = grad_variables
    outputs = _as_list(tensors)
    starts = _starts(outputs, grad_tensors)
    targets = None if inputs is None else _as_list(inputs)
    keep = create_graph if retain_graph is None else retain_graph
    differentiation.backward(outputs, starts, keep, create_graph, targets)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """The gradients of the sum of outputs with respect to inputs, accumulating nothing.

    is_grads_batched: `grad_outputs` have one more axis in front, and so have the results: the
    gradients from all of them at once. Raises RuntimeError for an input that the outputs do not
    depend on, unless `allow_unused`.
    """
    if is_grads_batched:
        return _from_many_starts(
            _as_list(outputs), _as_list(inputs), grad_outputs, create_graph, bool(allow_unused)
        )
    if materialize_grads and allow_unused is False:
        raise error(
            ValueError,
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: "
            "allow_unused=False.",
        )
    results, sources = _as_list(outputs), _as_list(inputs)
    if not sources:
        raise error(RuntimeError, "`inputs` argument to `grad()` cannot be empty.")
    keep = create_graph if retain_graph is None else retain_graph
    return differentiation.grad(
        results,
        sources,
        _starts(results, grad_outputs),
        keep,
        create_graph,
        bool(allow_unused),
        materialize_grads,
    )


def _from_many_starts(
    outputs: list[Any], inputs: list[Any], starts: Any, create_graph: bool, allow_unused: bool
) -> tuple[Any, ...]:
    """The gradients from each of several starts, which lie along axis 0."""
    from plait.func import vmap  # not at the top: it builds on this module

    unused: list[int] = []

    def once(*start: Any) -> tuple[Any, ...]:
        found = differentiation.grad(outputs, inputs, start, True, True, allow_unused)
        unused.extend(i for i, grad in enumerate(found) if grad is None)
        return tuple([grad for grad in found if grad is not None])

    found = list(vmap(once)(*_starts(outputs, starts)))
    for number in unused:
        found.insert(number, None)
    return tuple([g if create_graph or g is None else g.detach() for g in found])


def _as_list(tensors: Any) -> list[Any]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _starts(outputs: Sequence[Any], gradients: Any) -> list[Any]:
    if gradients is None:
        return [None] * len(outputs)
    found = _as_list(gradients)
    if len(found) != len(outputs):
        raise error(RuntimeError, f"got {len(outputs)} tensors and {len(found)} gradients")
    return found
