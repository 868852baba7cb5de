"""Backward hooks of modules: gates on a module's inputs and outputs.

A gate is an identity whose backward hands the gradients to a callback and passes on what it
returns. One gate stands on the outputs of a module, one on its inputs; together they see
`grad_output` and `grad_input`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import plait
from plait import Tensor
from plait.core.ir.errors import error

Gradients = tuple[Any, ...]


def _gate(tensors: list[Tensor], callback: Callable[[Gradients], Gradients]) -> tuple[Tensor, ...]:
    """Pass `tensors` through an identity whose backward calls `callback(gradients)`."""
    from plait.autograd import Function  # imported here: `plait.nn` is loaded before it

    needed = [t.requires_grad for t in tensors]

    class Gate(Function):
        @staticmethod
        def forward(ctx: Any, *inputs: Tensor) -> tuple[Tensor, ...]:
            ctx.set_materialize_grads(False)
            outputs = tuple(t.view_as(t) for t in inputs)
            ctx.mark_non_differentiable(*[out for out, need in zip(outputs, needed) if not need])
            return outputs

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> Any:
            return callback(gradients)

    made = Gate.apply(*tensors)
    return made if isinstance(made, tuple) else (made,)


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


class BackwardHook:
    """Runs a module's full backward hooks during one backward pass of one call.

    `hooks` take `(module, grad_input, grad_output)` and may return a new `grad_input`; `pre_hooks`
    take `(module, grad_output)` and may return a new `grad_output`.
    """

    def __init__(self, module: Any, hooks: list[Any], pre_hooks: list[Any]) -> None:
        self.module = module
        self.hooks = hooks
        self.pre_hooks = pre_hooks
        self.grad_output: Gradients | None = None
        self.input_positions: list[int] = []
        self.input_count = 0

    def setup_input(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Put a gate on the tensors among `args`, if one of them needs a gradient."""
        positions = [i for i, arg in enumerate(args) if isinstance(arg, Tensor)]
        self.input_count = len(args)
        if not plait.is_grad_enabled() or not any(args[i].requires_grad for i in positions):
            return args
        self.input_positions = positions
        gated = list(args)
        for i, tensor in zip(positions, _gate([args[i] for i in positions], self._on_input)):
            gated[i] = tensor
        return tuple(gated)

    def setup_output(self, result: Any) -> Any:
        """Put a gate on the tensors of `result`, if one of them needs a gradient."""
        if not isinstance(result, (Tensor, tuple)):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of "
                f"Tensors but received {type(result)}",
                stacklevel=2,
            )
            return result
        outputs = _as_tuple(result)
        positions = [i for i, out in enumerate(outputs) if isinstance(out, Tensor)]
        if not plait.is_grad_enabled() or not any(outputs[i].requires_grad for i in positions):
            return result

        def on_output(gradients: Gradients) -> Gradients:
            return self._on_output(gradients, positions, len(outputs))

        gated = list(outputs)
        for i, tensor in zip(positions, _gate([outputs[i] for i in positions], on_output)):
            gated[i] = tensor
        if isinstance(result, Tensor):
            return gated[0]
        rebuild = getattr(type(result), "_make", tuple)  # a named tuple keeps its type
        return rebuild(gated)

    def _on_output(self, gradients: Gradients, positions: list[int], count: int) -> Gradients:
        grad_output = _spread(gradients, positions, count)
        for hook in self.pre_hooks:
            replaced = hook(self.module, grad_output)
            if replaced is None:
                continue
            grad_output = _same_length(_as_tuple(replaced), count, "output")
        self.grad_output = grad_output
        if not self.input_positions:
            # No input needs a gradient: the input gate never runs, so the hooks run here.
            for hook in self.hooks:
                if hook(self.module, (None,) * self.input_count, grad_output) is not None:
                    raise error(
                        RuntimeError,
                        "Backward hook for Modules where no input requires "
                        "gradient should always return None or None for all gradients.",
                    )
            self.grad_output = None
        return tuple(grad_output[i] for i in positions)

    def _on_input(self, gradients: Gradients) -> Gradients:
        if self.grad_output is None:
            # The gradient has not come through the output: a second derivative flows to the input
            # by way of what the forward pass saved. The hooks are not of that.
            return gradients
        grad_input = _spread(gradients, self.input_positions, self.input_count)
        for hook in self.hooks:
            replaced = hook(self.module, grad_input, self.grad_output)
            if replaced is not None:
                grad_input = _same_length(_as_tuple(replaced), self.input_count, "input")
        self.grad_output = None
        return tuple(grad_input[i] for i in self.input_positions)


def _spread(gradients: Gradients, positions: list[int], count: int) -> Gradients:
    """Gradients of the tensors, with None at the places of the other arguments."""
    spread: list[Any] = [None] * count
    for position, gradient in zip(positions, gradients):
        spread[position] = gradient
    return tuple(spread)


def _same_length(gradients: Gradients, count: int, kind: str) -> Gradients:
    if len(gradients) != count:
        raise error(
            RuntimeError,
            f"Backward hook returned an invalid number of grad_{kind}, "
            f"got {len(gradients)}, but expected {count}",
        )
    return gradients
