"""Check gradients against central differences."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from plait._functions.conjugation import view_as_complex, view_as_real
from plait._tensor import Tensor
from plait.core.ir import dtypes
from plait.core.ir.errors import error
from plait.core.lazy import backward as differentiation
from plait.core.lazy.cell import leaf_of
from plait.core.lazy.modes import grad_mode

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """A gradient does not agree with central differences."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    **accepted: Any,
) -> bool:
    """Compare the gradients of `func` at `inputs` with central differences of step `eps`.

    inputs: a tensor or a tuple of arguments; those that require gradients are checked, complex ones
    by their parts, and should be float64 or complex128 (else a warning). Further options of
    PyTorch's are accepted; every element is always checked. Outputs that require no gradient must
    not change. Raises GradcheckError (or gives False without `raise_exception`) where they
    disagree.
    """
    arguments = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    checked = [i for i, a in enumerate(arguments) if isinstance(a, Tensor) and a.requires_grad]
    if not checked:
        raise error(
            ValueError,
            "gradcheck expects at least one input tensor to require gradient, but none of "
            "them have requires_grad=True.",
        )
    for i in checked:
        if arguments[i].dtype not in (dtypes.float64, dtypes.complex128):
            warnings.warn(
                f"Input #{i} requires gradient and is not a double precision floating point or "
                "complex. This check will likely fail if all the inputs are not of double "
                "precision floating point or complex.",
                stacklevel=2,
            )
    if any(isinstance(a, Tensor) and a.is_complex() for a in arguments):
        func, arguments = _by_parts(func, arguments)
    try:
        _check(func, arguments, checked, eps, atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _check(
    func: Callable[..., Any],
    arguments: tuple[Any, ...],
    checked: list[int],
    eps: float,
    atol: float,
    rtol: float,
) -> None:
    with grad_mode(True):
        outputs = _outputs(func(*arguments))
    if not any(output.requires_grad for output in outputs):
        _require_constant(func, arguments, checked, outputs, eps)
    for number, output in enumerate(outputs):
        if not output.requires_grad:
            continue
        analytic = _analytic(output, [arguments[i] for i in checked])
        for i, found in zip(checked, analytic):
            expected = _numeric(func, arguments, i, number, eps)
            if not np.allclose(found, expected, rtol, atol, equal_nan=True):
                raise error(
                    GradcheckError,
                    f"Jacobian mismatch for output {number} with respect to input {i},\n"
                    f"numerical:{expected}\nanalytical:{found}\n",
                )


def _require_constant(
    func: Callable[..., Any],
    arguments: tuple[Any, ...],
    checked: list[int],
    outputs: list[Tensor],
    eps: float,
) -> None:
    """Outputs without a gradient must not change with the inputs."""
    for number in range(len(outputs)):
        for i in checked:
            if np.any(_numeric(func, arguments, i, number, eps)):
                raise error(
                    GradcheckError,
                    "Numerical gradient for function expected to be zero: output "
                    f"{number} changes with input {i} and does not require a gradient",
                )


def _outputs(results: Any) -> list[Tensor]:
    """The floating results; complex ones as their parts."""
    parts = results if isinstance(results, (tuple, list)) else (results,)
    found = [part for part in parts if isinstance(part, Tensor)]
    found = [view_as_real(part) if part.is_complex() else part for part in found]
    return [part for part in found if part.is_floating_point()]


def _by_parts(
    func: Callable[..., Any], arguments: tuple[Any, ...]
) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The same function of the real and imaginary parts of its complex arguments."""
    split = [isinstance(a, Tensor) and a.is_complex() for a in arguments]

    def of_parts(*parts: Any) -> Any:
        return func(*[view_as_complex(p) if s else p for p, s in zip(parts, split)])

    replaced = [
        view_as_real(a.detach()).requires_grad_(a.requires_grad) if s else a
        for a, s in zip(arguments, split)
    ]
    return of_parts, tuple(replaced)


def _analytic(output: Tensor, inputs: list[Tensor]) -> list[np.ndarray]:
    """Per input the matrix of derivatives: (elements of input, elements of output)."""
    columns: list[list[np.ndarray]] = [[] for _ in inputs]
    for k in range(output.numel()):
        start = np.zeros(output.numel(), output.dtype.numpy)
        start[k] = 1.0
        seed = Tensor.of_node(leaf_of(start.reshape(output.shape)))
        grads = differentiation.grad([output], inputs, [seed], True, False, True, True)
        for column, grad in zip(columns, grads):
            assert grad is not None
            column.append(grad.compute().reshape(-1).copy())
    return [
        np.stack(column, 1) if column else np.zeros((x.numel(), 0))
        for column, x in zip(columns, inputs)
    ]


def _numeric(
    func: Callable[..., Any], arguments: tuple[Any, ...], index: int, number: int, eps: float
) -> np.ndarray:
    values = np.array(arguments[index].detach().compute(), np.float64, copy=True)
    rows = []
    for k in range(values.size):
        sides = []
        for step in (eps, -eps):
            moved = values.copy().reshape(-1)
            moved[k] += step
            replaced = list(arguments)
            moved = moved.reshape(values.shape).astype(arguments[index].dtype.numpy)
            replaced[index] = Tensor.of_node(leaf_of(moved))
            # A function may differentiate inside itself: record, as for the true inputs.
            replaced[index].requires_grad_()
            with grad_mode(True):
                output = _outputs(func(*replaced))[number]
            sides.append(output.compute().reshape(-1).copy())
        rows.append((sides[0] - sides[1]) / (2 * eps))
    return np.stack(rows) if rows else np.zeros((0, 0))


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    **accepted: Any,
) -> bool:
    """Compare second derivatives with central differences of the first; see `gradcheck`.

    grad_outputs: the vectors to multiply with; made up (fixed seed) where None.
    """
    arguments = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    outputs = [y for y in _outputs(func(*arguments)) if y.requires_grad]
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        starts = [
            Tensor.of_node(leaf_of(rng.uniform(-1, 1, y.shape))).requires_grad_() for y in outputs
        ]
    else:
        starts = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)

    def first(*values: Any) -> Any:
        inner, seeds = values[: len(arguments)], values[len(arguments) :]
        wanted = [v for v in inner if isinstance(v, Tensor) and v.requires_grad]
        results = [y for y in _outputs(func(*inner)) if y.requires_grad]
        return differentiation.grad(results, wanted, seeds, True, True, True, True)

    return gradcheck(
        first,
        (*arguments, *starts),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
    )
