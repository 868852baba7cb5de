"""Activation checkpointing: keep a segment's inputs, run it again when its gradients are needed.

The second run repeats the random numbers of the first (`preserve_rng_state`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from plait._functions.random import default_generator
from plait._tensor import Tensor
from plait.autograd.function import Function
from plait.core.ir.errors import error, warn
from plait.core.lazy import backward as differentiation
from plait.core.lazy.modes import grad_mode

__all__ = [
    "check_backward_validity",
    "checkpoint",
    "checkpoint_sequential",
    "detach_variable",
    "get_device_states",
    "set_device_states",
]


def get_device_states(*args: Any) -> tuple[list[int], list[Tensor]]:
    """Numbers and random states of the devices of tensors that are not on the CPU: none."""
    return [], []


def set_device_states(devices: Any, states: Any, *, device_type: str | None = None) -> None:
    """Give devices the random states that `get_device_states` found. ValueError for any device:
    there is the CPU alone."""
    if len(devices):
        raise error(ValueError, f"set_device_states: there is no device besides the CPU: {devices}")


def detach_variable(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The tensors of a tuple as leaves that require gradients where they did; the rest as it is.

    Raises RuntimeError for what is not a tuple.
    """
    if not isinstance(inputs, tuple):
        raise error(
            RuntimeError,
            "Only tuple of tensors is supported. Got Unsupported input type: "
            f"{type(inputs).__name__}",
        )
    return tuple(
        [x.detach().requires_grad_(x.requires_grad) if isinstance(x, Tensor) else x for x in inputs]
    )


def check_backward_validity(inputs: Any) -> None:
    """Warn where no tensor of a checkpoint's inputs requires gradients."""
    if not any(isinstance(x, Tensor) and x.requires_grad for x in inputs):
        warn("None of the inputs have requires_grad=True. Gradients will be None")


class _Checkpointed(Function):
    """A function that is run again in its backward."""

    @staticmethod
    def forward(ctx: Any, run: Callable[..., Any], preserve: bool, anchor: Any, *args: Any) -> Any:
        ctx.run = run
        ctx.state = default_generator.get_state() if preserve else None
        ctx.places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        ctx.args = [None if isinstance(a, Tensor) else a for a in args]
        ctx.save_for_backward(*[args[i] for i in ctx.places])
        return run(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        args = list(ctx.args)
        for place, tensor in zip(ctx.places, ctx.saved_tensors):
            args[place] = tensor.detach().requires_grad_(tensor.requires_grad)
        with _random_state(ctx.state), grad_mode(True):
            results = ctx.run(*args)
        outputs = results if isinstance(results, tuple) else (results,)
        pairs = [
            (y, g) for y, g in zip(outputs, grads) if isinstance(y, Tensor) and y.requires_grad
        ]
        differentiation.backward([y for y, _ in pairs], [g for _, g in pairs], False, False)
        found = [a.grad if isinstance(a, Tensor) else None for a in args]
        return None, None, None, *found


@contextlib.contextmanager
def _random_state(state: Any) -> Iterator[None]:
    if state is None:
        yield
        return
    present = default_generator.get_state()
    default_generator.set_state(state)
    try:
        yield
    finally:
        default_generator.set_state(present)


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Any = None,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """Call `function(*args, **kwargs)` without keeping what its backward needs: that is made again.

    Parameters the function uses receive their gradients, through `backward()` (not
    `autograd.grad`). With `use_reentrant=True`, keyword arguments are refused (ValueError).
    """
    if use_reentrant and kwargs:
        raise error(ValueError, f"Unexpected keyword arguments: {','.join(kwargs)}")

    def run(*values: Any) -> Any:
        return function(*values, **kwargs)

    # Without it, a segment whose inputs need no gradient would not be recorded at all.
    anchor = None if use_reentrant else Tensor.of_node(_zero()).requires_grad_()
    return _Checkpointed.apply(run, preserve_rng_state, anchor, *args)


def _zero() -> Any:
    from plait.core.ir import dtypes
    from plait.core.ops.source import full

    return full(0.0, (), dtypes.float32)


def checkpoint_sequential(
    functions: Any,
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """Run a sequence of modules in checkpointed segments; the last one is run plainly."""
    modules: Sequence[Any] = list(functions)
    size = max(len(modules) // segments, 1)
    bounds = [i * size for i in range(min(segments, len(modules)))]
    for start, stop in zip(bounds, [*bounds[1:], len(modules)]):
        part = _chained(modules[start:stop])
        if stop == len(modules):
            return part(input)
        input = checkpoint(
            part, input, use_reentrant=use_reentrant, preserve_rng_state=preserve_rng_state
        )
    return input


def _chained(modules: Sequence[Any]) -> Callable[[Any], Any]:
    def run(value: Any) -> Any:
        for module in modules:
            value = module(value)
        return value

    return run
