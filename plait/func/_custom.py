"""User-defined differentiable functions on one sample of many: `autograd.Function` under `vmap`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from plait._tensor import Tensor
from plait.core.batching.levels import Level
from plait.core.lazy.function import FunctionNode, attach
from plait.core.lazy.modes import grad_mode
from plait.func._batched import BatchedTensor, sample_of_all, samples_at


class VmapInfo(NamedTuple):
    """What a function's own `vmap` is told."""

    batch_size: int
    randomness: str


def are_samples(args: Sequence[Any]) -> bool:
    """Whether any of these is one sample of many."""
    return any(isinstance(a, BatchedTensor) for a in args)


class Samples:
    """All samples of the tensors that a function of one sample meets, at the levels of these."""

    def __init__(self, tensors: Sequence[Any]) -> None:
        found: dict[int, Level] = {}
        for tensor in tensors:
            while isinstance(tensor, BatchedTensor):
                found[tensor._level.number] = tensor._level
                tensor = tensor._samples
        self.levels = [found[number] for number in sorted(found)]

    def all_of(self, x: Any) -> Any:
        """All samples of a value, oldest level first; None stays None."""
        if not isinstance(x, Tensor):
            return x
        for at in reversed(self.levels):
            x = samples_at(x, at)
        return x

    def one_of(self, x: Any) -> Any:
        """The inverse of `all_of`."""
        if not isinstance(x, Tensor):
            return x
        for at in self.levels:
            x = sample_of_all(x, at)
        return x

    def attach(
        self,
        label: str,
        inputs: Sequence[Any],
        outputs: list[Any],
        call_backward: Callable[..., Any],
        materialize: bool,
    ) -> FunctionNode | None:
        """Put new tensors in the place of `outputs`: results of a function of `inputs`, whose
        gradients `call_backward` gives, sample by sample."""
        with grad_mode(False):
            results = [self.all_of(y).detached() for y in outputs]

        def of_all(*grads: Any) -> tuple[Any, ...]:
            found = call_backward(*[self.one_of(g) for g in grads])
            return tuple([self.all_of(g) for g in found])

        node = attach(label, [self.all_of(x) for x in inputs], results, of_all, materialize)
        outputs[:] = [self.one_of(y) for y in results]
        return node


def mapped_by_its_own_rule(function: Any, args: tuple[Any, ...]) -> Any:
    """A function's own `vmap(info, in_dims, *args)`, for the newest level among the arguments.

    Its `out_dims` say where the samples are in the results; None: the same for all.
    """
    at = max((a._level for a in args if isinstance(a, BatchedTensor)), key=lambda v: v.number)
    batched = [isinstance(a, BatchedTensor) and a._level is at for a in args]
    samples = [a._samples if b else a for a, b in zip(args, batched)]
    in_dims = tuple([0 if b else None for b in batched])
    results, out_dims = function.vmap(VmapInfo(at.size, at.randomness), in_dims, *samples)

    def of_one(result: Any, axis: Any) -> Any:
        if axis is None or not isinstance(result, Tensor):
            return result
        return BatchedTensor.of_samples(result.movedim(axis, 0), at)  # type: ignore[attr-defined]  # attached by plait._functions

    if not isinstance(results, tuple):
        return of_one(results, out_dims)
    axes = out_dims if isinstance(out_dims, tuple) else (out_dims,) * len(results)
    return tuple([of_one(result, axis) for result, axis in zip(results, axes)])
