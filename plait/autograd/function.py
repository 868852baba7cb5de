"""User-defined differentiable functions: PyTorch's `autograd.Function` and its context."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NoReturn
from weakref import ref

from plait._tensor import Tensor, scalar_type
from plait._valueless import ValuelessTensor
from plait.core.ir.errors import error
from plait.core.ir.node import Node, Spec
from plait.core.lazy.cell import Cell
from plait.core.lazy.function import FunctionNode, attach
from plait.core.lazy.modes import grad_mode, modes
from plait.core.ops.view import sum_to

__all__ = ["Function", "FunctionCtx", "NestedIOFunction", "once_differentiable"]


class _Saved:
    """A tensor kept for backward: itself, or of an output (which refers to the context) its value.

    Raises RuntimeError when it is asked for after its memory has been written to.
    """

    def __init__(self, tensor: Tensor, output: int | None, samples: Any) -> None:
        self.output = output
        self.samples = samples
        if samples is not None and output is not None:
            tensor = samples.all_of(tensor)
        self.cls = type(tensor)
        self.cell: Cell = tensor.storage_cell
        self.version = self.cell.version
        self.held: Tensor | Node = tensor if output is None else tensor.read()

    def tensor(self, grad_node: FunctionNode | None) -> Tensor:
        if self.cell.version != self.version:
            held = self.held
            raise error(
                RuntimeError,
                "one of the variables needed for gradient computation has been modified by an "
                f"inplace operation: [torch.{scalar_type(held.dtype)}Tensor {list(held.shape)}] is "
                f"at version {self.cell.version}; expected version {self.version} instead.",
            )
        if isinstance(self.held, Tensor):
            return self.held
        edge = None if grad_node is None else (grad_node, self.output)
        made = self.cls.plain.of_value(self.held, edge)  # type: ignore[arg-type]  # output is an int here
        return made if self.samples is None else self.samples.one_of(made)


class FunctionCtx:
    """What forward leaves for backward: saved tensors, flags, and any attributes the user sets."""

    def __init__(self) -> None:
        self.needs_input_grad: tuple[bool, ...] = ()
        self.materialize_grads = True
        self._to_save: tuple[Any, ...] = ()
        self._saved: list[_Saved | None] | None = None
        self._dirty: tuple[Any, ...] = ()
        self._non_differentiable: tuple[Any, ...] = ()
        self._grad_node: Callable[[], FunctionNode | None] = _no_grad_node

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors (or None) for backward. Raises TypeError for anything else."""
        for i, tensor in enumerate(tensors):
            if tensor is not None and not isinstance(tensor, Tensor):
                raise error(
                    TypeError,
                    f"save_for_backward can only save variables, but argument {i} is of type "
                    f"{type(tensor).__name__}",
                )
        self._to_save = tensors

    def save_for_forward(self, *tensors: Any) -> None:
        """Accepted: forward-mode derivatives are not built yet."""

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What `save_for_backward` was given."""
        if self._saved is None:
            return self._to_save
        node = self._grad_node()
        if node is not None:
            node._check_usable()
        return tuple([None if saved is None else saved.tensor(node) for saved in self._saved])

    def mark_dirty(self, *args: Any) -> None:
        """Name the inputs that forward has changed in place and returns."""
        self._dirty = args

    def mark_non_differentiable(self, *args: Any) -> None:
        """Name the outputs that have no gradient."""
        self._non_differentiable = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward receives zeros (default) or None for outputs without a gradient."""
        self.materialize_grads = value

    def _settle(self, outputs: Sequence[Any], samples: Any = None) -> None:
        """After forward: keep what was saved without referring to the outputs themselves.

        samples: under `vmap`, what goes from one sample to all and back.
        """
        numbers = {id(output): i for i, output in enumerate(outputs)}
        self._saved = [
            None if tensor is None else _Saved(tensor, numbers.get(id(tensor)), samples)
            for tensor in self._to_save
        ]
        self._to_save = ()
        self._dirty = ()
        self._non_differentiable = ()


def _no_grad_node() -> None:
    return None


class Function(FunctionCtx):
    """Base of user-defined functions: static methods `forward` and `backward`, called by `apply`.

    forward(ctx, *args), or forward(*args) with setup_context(ctx, inputs, output).
    backward(ctx, *grad_outputs) gives one gradient (or None) per argument of forward.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise error(
            RuntimeError,
            f"{type(self).__name__} should not be instantiated. Methods on autograd functions are "
            "all static, so you should invoke them on the class itself: use "
            f"{type(self).__name__}.apply(...)",
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the outputs."""
        raise error(
            NotImplementedError,
            "You must implement the forward function for custom autograd.Function.",
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Keep in `ctx` what backward needs."""
        raise error(NotImplementedError, "setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Compute the gradients of the arguments."""
        raise error(
            NotImplementedError,
            "You must implement either the backward or vjp method for your custom "
            "autograd.Function to use it with backward mode AD.",
        )

    vjp = backward

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> Any:
        """What `torch.vmap` calls in place of `forward`, where a function has it.

        Gives (results, axes of the samples in these); info has the batch_size, and in_dims are the
        axes of the samples in the arguments.
        """
        raise error(
            NotImplementedError,
            "To use autograd.Function with vmap, you must either override the vmap staticmethod or "
            "set generate_vmap_rule=True.",
        )

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """Forward-mode derivative; not built yet."""
        raise error(NotImplementedError, "forward-mode derivatives are not built in Plait yet")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run forward on the arguments and record the function for differentiation."""
        if cls.vmap is not Function.vmap and any(isinstance(a, ValuelessTensor) for a in args):
            from plait.func import _custom  # above this module

            if _custom.are_samples(args):
                return _custom.mapped_by_its_own_rule(cls, args)
        ctx = FunctionCtx()
        ctx.needs_input_grad = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
        with grad_mode(False):
            results = _run_forward(cls, ctx, args)
        single = not isinstance(results, tuple)
        outputs = _distinct_outputs(ctx, args, (results,) if single else results)
        if modes.grad_enabled and any(ctx.needs_input_grad):
            _record(cls, ctx, args, outputs)
        return outputs[0] if single else tuple(outputs)


#: PyTorch's other base class; nested inputs are not built.
NestedIOFunction = Function


def _run_forward(cls: type[Function], ctx: FunctionCtx, args: tuple[Any, ...]) -> Any:
    if cls.setup_context is Function.setup_context:
        return cls.forward(ctx, *args)
    results = cls.forward(*args)
    cls.setup_context(ctx, args, results)
    return results


def _distinct_outputs(ctx: FunctionCtx, args: tuple[Any, ...], results: Any) -> list[Any]:
    """The results; an argument handed through, or a tensor with a history, as a twin of its own."""
    dirty = {id(tensor) for tensor in ctx._dirty}
    for tensor in ctx._dirty:
        if modes.grad_enabled and tensor.requires_grad and tensor.is_leaf:
            raise error(
                RuntimeError,
                "a leaf Variable that requires grad has been used in an in-place operation.",
            )
    passed = {id(a) for a in args if isinstance(a, Tensor)}
    outputs = []
    for result in results:
        foreign = isinstance(result, Tensor) and id(result) not in dirty
        if foreign and (id(result) in passed or result.requires_grad):
            twin = result.detached()
            ctx._non_differentiable = tuple(
                [twin if x is result else x for x in ctx._non_differentiable]
            )
            result = twin
        outputs.append(result)
    return outputs


def _record(cls: type[Function], ctx: FunctionCtx, args: Any, outputs: list[Any]) -> None:
    fixed = {id(tensor) for tensor in ctx._non_differentiable}
    positions = [i for i, output in enumerate(outputs) if isinstance(output, Tensor)]
    tensors = [outputs[i] for i in positions]
    inputs = [a if isinstance(a, Tensor) else None for a in args]
    samples = None
    if any(isinstance(a, ValuelessTensor) for a in args):
        from plait.func import _custom  # above this module

        samples = _custom.Samples(inputs) if _custom.are_samples(args) else None
    ctx._settle(tensors, samples)
    specs = [None if t is None else Spec(t.shape, t.dtype) for t in inputs]
    label = f"{cls.__name__}Backward"
    rule = cls.backward if cls.backward is not Function.backward else cls.vjp
    count = len(outputs)

    def call_backward(*grads: Any) -> tuple[Any, ...]:
        arguments: list[Any] = [None] * count
        for position, grad in zip(positions, grads):
            arguments[position] = grad
        return _checked_gradients(label, rule(ctx, *arguments), specs)

    if samples is None:
        node = attach(label, inputs, tensors, call_backward, ctx.materialize_grads)
    else:
        kept = [id(tensor) in fixed for tensor in tensors]
        node = samples.attach(label, inputs, tensors, call_backward, ctx.materialize_grads)
        fixed |= {id(tensor) for tensor, is_fixed in zip(tensors, kept) if is_fixed}
        for position, tensor in zip(positions, tensors):
            outputs[position] = tensor
    if node is not None:
        ctx._grad_node = ref(node)
    for position, tensor in zip(positions, tensors):
        if id(tensor) in fixed:
            outputs[position] = tensor.detach_() if samples is None else tensor.detached()


def _checked_gradients(label: str, results: Any, specs: list[Spec | None]) -> tuple[Any, ...]:
    """One gradient per argument, of the argument's shape and dtype."""
    found = list(results) if isinstance(results, (tuple, list)) else [results]
    while len(found) > len(specs) and found[-1] is None:
        found.pop()
    if len(found) != len(specs):
        raise error(
            RuntimeError,
            f"function {label} returned an incorrect number of gradients (expected {len(specs)}, "
            f"got {len(found)})",
        )
    return tuple(
        [_fitted(label, i, grad, spec) for i, (grad, spec) in enumerate(zip(found, specs))]
    )


def _fitted(label: str, index: int, grad: Any, spec: Spec | None) -> Any:
    if grad is None:
        return None
    if spec is None:
        raise error(
            RuntimeError,
            f"function {label} returned a gradient different than None at position {index + 1}, "
            "but the corresponding forward input was not a Variable",
        )
    if not spec.dtype.is_differentiable:
        return None
    if not isinstance(grad, Tensor):
        raise error(
            TypeError,
            f"{label}: expected Variable or None (got {type(grad).__name__}) as gradient {index}",
        )
    if grad.shape != spec.shape:
        if not _expands_to(spec.shape, grad.shape):
            raise error(
                RuntimeError,
                f"Function {label} returned an invalid gradient at index {index} - got "
                f"{list(grad.shape)} but expected shape compatible with {list(spec.shape)}",
            )
        grad = sum_to(grad, spec.shape)
    return grad.to(spec.dtype)


def _expands_to(shape: tuple[int, ...], wide: tuple[int, ...]) -> bool:
    if len(shape) > len(wide):
        return False
    return all(a in (1, b) for a, b in zip(reversed(shape), reversed(wide)))


def once_differentiable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a backward whose own operations are not differentiable: a second derivative raises."""

    @functools.wraps(function)
    def backward(ctx: Any, *args: Any) -> Any:
        with grad_mode(False):
            results = function(ctx, *args)
        tracked = [a for a in args if isinstance(a, Tensor) and a.requires_grad]
        if not modes.grad_enabled or not tracked:
            return results
        parts = results if isinstance(results, tuple) else (results,)
        made = tuple([p.detached() if isinstance(p, Tensor) else p for p in parts])
        attach("DelayedError", tracked, [p for p in made if isinstance(p, Tensor)], _twice, False)
        return made if isinstance(results, tuple) else made[0]

    return backward


def _twice(*grads: Any) -> NoReturn:
    raise error(
        RuntimeError,
        "trying to differentiate twice a function that was marked with @once_differentiable",
    )
