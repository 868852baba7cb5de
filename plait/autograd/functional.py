"""Products with Jacobians and Hessians, and these matrices themselves, by reverse mode.

Functions take tensors and give tensors; one tensor in or out may stand alone, several are tuples,
and the results are nested accordingly, as in PyTorch. A product with the Jacobian itself (`jvp`)
is the derivative of the reverse product with respect to its vector.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from plait._functions.creation import ones, zeros
from plait._functions.joining import stack
from plait._tensor import Tensor
from plait.core.ir.errors import error
from plait.core.lazy import backward as differentiation
from plait.core.lazy.modes import grad_mode

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


def vjp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """(outputs, v^T J): v has the outputs' shapes; it may be None for a single number."""
    with grad_mode(True):
        values, one_input = _tracked(inputs, create_graph)
        outputs, one_output = _evaluated(func, values)
        vectors = _vectors(v, outputs, "vjp")
        grads = _grad(outputs, values, vectors, create_graph, strict)
    return _result(outputs, one_output, create_graph), _result(grads, one_input, create_graph)


def jvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """(outputs, J v): v has the inputs' shapes; it may be None for a single number."""
    with grad_mode(True):
        values, _ = _tracked(inputs, create_graph)
        outputs, one_output = _evaluated(func, values)
        vectors = _vectors(v, values, "jvp")
        duals = [zeros(*y.shape, dtype=y.dtype).requires_grad_() for y in outputs]
        reverse = _grad(outputs, values, duals, True, strict)
        products = _grad(reverse, duals, vectors, create_graph, strict)
    return _result(outputs, one_output, create_graph), _result(products, one_output, create_graph)


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The derivatives of every output element: tensors of shape (*output, *input)."""
    with grad_mode(True):
        values, one_input = _tracked(inputs, create_graph)
        outputs, one_output = _evaluated(func, values)
        rows = []
        for output in outputs:
            rows.append(_rows(output, values, create_graph, strict))
    nested = [_result(row, one_input, create_graph) for row in rows]
    return nested[0] if one_output else tuple(nested)


def _rows(output: Tensor, values: list[Tensor], create_graph: bool, strict: bool) -> list[Tensor]:
    columns: list[list[Tensor]] = [[] for _ in values]
    if output.requires_grad or strict:
        flat = output.reshape(-1)  # type: ignore[attr-defined]  # attached by plait._functions
        for k in range(output.numel()):
            grads = _grad([flat[k]], values, [None], create_graph, strict)
            for column, grad in zip(columns, grads):
                column.append(grad)
    return [
        stack(column).reshape(*output.shape, *x.shape)  # (elements, *input) -> (*output, *input)
        if column
        else zeros(*output.shape, *x.shape, dtype=output.dtype)
        for column, x in zip(columns, values)
    ]


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The second derivatives of a function with one output element."""
    single = isinstance(inputs, Tensor)

    def gradient(*values: Any) -> Any:
        output = _single_number(func(*values), "hessian")
        grads = _grad([output], list(values), [None], True, strict)
        return grads[0] if single else tuple(grads)

    return jacobian(gradient, inputs, create_graph, strict)


def hvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """(output, H v). The Hessian is symmetric: the same as `vhp`."""
    return vhp(func, inputs, v, create_graph, strict)


def vhp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """(output, v^T H) of a function with one output element; v has the inputs' shapes."""
    with grad_mode(True):
        values, one_input = _tracked(inputs, create_graph)
        output = _single_number(func(*values), "vhp")
        vectors = _vectors(v, values, "vhp")
        first = _grad([output], values, [None], True, strict)
        products = _grad(first, values, vectors, create_graph, strict)
    return _result([output], True, create_graph), _result(products, one_input, create_graph)


# -- shared steps -----------------------------------------------------------------------------


def _tracked(inputs: Any, create_graph: bool) -> tuple[list[Tensor], bool]:
    """The inputs as tensors to differentiate by: part of the caller's graph only if asked."""
    single = isinstance(inputs, Tensor)
    given = [inputs] if single else list(inputs)
    for i, x in enumerate(given):
        if not isinstance(x, Tensor):
            raise error(
                TypeError,
                "The inputs given to the function must be either a Tensor or a tuple of Tensors "
                f"but the value at index {i} has type {type(x)}.",
            )
    if create_graph:
        return [x.view_as(x) if x.requires_grad else _leaf(x) for x in given], single  # type: ignore[attr-defined]  # attached by plait._functions
    return [_leaf(x) for x in given], single


def _leaf(x: Tensor) -> Tensor:
    return x.detach().requires_grad_()


def _evaluated(func: Callable[..., Any], values: list[Tensor]) -> tuple[list[Tensor], bool]:
    results = func(*values)
    if isinstance(results, Tensor):
        return [results], True
    if not isinstance(results, tuple) or not all(isinstance(y, Tensor) for y in results):
        kinds = [type(y).__name__ for y in results] if isinstance(results, tuple) else ""
        raise error(
            TypeError,
            "the function given must return a Tensor or a tuple of Tensors, not a "
            f"{type(results).__name__} {kinds}".rstrip(),
        )
    return list(results), False


def _single_number(output: Any, name: str) -> Tensor:
    if not isinstance(output, Tensor) or output.numel() != 1:
        what = (
            f"shape {list(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
        )
        raise error(
            RuntimeError,
            f"The Tensor returned by the function given to {name} should contain a single element, "
            f"received {what}",
        )
    return output.reshape(())  # type: ignore[attr-defined]  # attached by plait._functions


def _vectors(v: Any, like: Sequence[Tensor], name: str) -> list[Tensor]:
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise error(
                RuntimeError,
                f"The vector v can only be None if the {name} is of a function with a single "
                f"number; received shapes {[list(x.shape) for x in like]}",
            )
        return [ones(*like[0].shape, dtype=like[0].dtype)]
    vectors = [v] if isinstance(v, Tensor) else list(v)
    if [x.shape for x in vectors] != [x.shape for x in like]:
        raise error(
            RuntimeError,
            f"v has invalid size: should be {[list(x.shape) for x in like]} but got "
            f"{[list(x.shape) for x in vectors]}.",
        )
    return vectors


def _grad(
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    vectors: Sequence[Tensor | None],
    create_graph: bool,
    strict: bool,
) -> list[Any]:
    """Gradients, zeros for inputs that have no part in the outputs (an error if strict)."""
    pairs = [(y, v) for y, v in zip(outputs, vectors) if y.requires_grad]
    grads: Sequence[Any] = [None] * len(inputs)
    if pairs:
        grads = differentiation.grad(
            [y for y, _ in pairs], inputs, [v for _, v in pairs], True, create_graph, True
        )
    if strict and any(grad is None for grad in grads):
        raise error(
            RuntimeError,
            "The output of the user-provided function is independent of one of the inputs. This is "
            "not allowed in strict mode.",
        )
    return [zeros(*x.shape, dtype=x.dtype) if g is None else g for g, x in zip(grads, inputs)]


def _result(tensors: Sequence[Tensor], single: bool, create_graph: bool) -> Any:
    found = [x if create_graph else x.detach() for x in tensors]
    return found[0] if single else tuple(found)
