"""A tensor as one sample of many sees it: what the functions under `vmap` are called with.

A batched tensor has the shape of one sample, and holds the values of all of them along axis 0. An
op on it is applied to all by its batching rule; the results are batched again. `vmap` in `vmap`
makes batched tensors of batched tensors: the newest level is the outermost.
"""

from __future__ import annotations

from typing import Any, NoReturn

from plait._tensor import Tensor
from plait._valueless import ValuelessTensor
from plait.core.batching.levels import Level
from plait.core.batching.rules import lifted, rule_of, view_attrs
from plait.core.ir.errors import error
from plait.core.ir.node import Node, Unneeded
from plait.core.ir.op import Op, binds_first
from plait.core.lazy.views import Layout
from plait.core.ops.elementwise import cast
from plait.core.ops.view import TRANSPOSE


class BatchedTensor(ValuelessTensor):
    """`samples` (B, *shape) seen as a tensor of shape `shape`."""

    refusal = (
        "vmap: the value of one sample is asked for, but functions under vmap see all samples at "
        "once: no .item(), no Python branch and no NumPy array of a tensor under vmap. Use "
        "torch.where for a choice by value"
    )

    _samples: Any
    _level: Level

    @classmethod
    def of_samples(cls, samples: Any, made_by: Level) -> BatchedTensor:
        """The tensor of one sample of many."""
        self = cls.of_type(tuple(samples._shape[1:]), samples._dtype)
        self._samples = samples
        self._level = made_by
        return self

    # -- recording ----------------------------------------------------------------------------

    def bind(self, op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        """Apply an op to all samples."""
        for x in inputs:
            if type(x) is Unneeded:
                return x.bind(op, inputs, attrs)
        made_by = max(
            (x._level for x in inputs if isinstance(x, BatchedTensor)), key=lambda v: v.number
        )
        batched = [isinstance(x, BatchedTensor) and x._level is made_by for x in inputs]
        rule = rule_of(op)
        if rule is None:
            assert op.body is not None, "an op without a rule is batched through its body"
            made = op.body(*inputs, **attrs)
            return tuple(map(_value, made)) if isinstance(made, tuple) else _value(made)
        operands = [x._samples if b else _value(x) for x, b in zip(inputs, batched)]
        result = rule(op, made_by.size, operands, batched, attrs)
        if isinstance(result, tuple):
            return tuple([BatchedTensor.of_samples(part, made_by) for part in result])
        return BatchedTensor.of_samples(result, made_by)

    def view_through(self, op: Op, *extra: Node, layout: Layout | None = None, **attrs: Any) -> Any:
        """A view of each sample: writes to it are seen by this tensor."""
        if extra or op.name == "broadcast":
            return self.bind(op, (self, *extra), attrs)
        seen = self._samples.view_through(op, **view_attrs(op, self._level.size, attrs))
        return BatchedTensor.of_samples(seen, self._level)

    def assign(self, result: Any) -> BatchedTensor:
        """Write a value of one sample's shape into the memory of all."""
        if type(result) is Node:
            result = Tensor.of_node(result)
        result = cast(result, self._dtype)
        own = isinstance(result, BatchedTensor) and result._level is self._level
        self._samples.assign(result._samples if own else lifted(result, self._level.size))
        return self

    # -- place in autograd: that of the samples -----------------------------------------------

    @property
    def requires_grad(self) -> bool:
        return self._samples.requires_grad

    def require_grad(self, required: bool) -> None:
        self._samples.require_grad(required)

    @property
    def is_leaf(self) -> bool:
        return self._samples.is_leaf

    @property
    def grad_fn(self) -> Any:
        return self._samples.grad_fn

    def detached(self, silent: bool = False) -> Any:
        return BatchedTensor.of_samples(self._samples.detached(silent), self._level)

    # -- what cannot be told ------------------------------------------------------------------

    def frozen(self) -> Any:
        return self

    def edge(self) -> NoReturn:
        raise error(
            RuntimeError,
            "vmap: backward() and autograd.grad() of one sample; use torch.func.grad or vjp inside "
            "of vmap",
        )

    def __repr__(self, **options: Any) -> str:
        return f"BatchedTensor(lvl={self._level.number}, bdim=0, value=\n{self._samples!r}\n)"


binds_first.add(BatchedTensor)


def _value(x: Any) -> Any:
    """An operand that is the same for all samples, as an op takes it."""
    return Tensor.of_node(x) if type(x) is Node else x


def samples_at(x: Any, at: Level) -> Any:
    """The values of all samples (B, *shape) at a level: those of `x`, or `x` once for each.

    Newer levels stay as they are: what they number comes after.
    """
    if not isinstance(x, BatchedTensor) or x._level.number < at.number:
        return lifted(x, at.size)
    if x._level is at:
        return x._samples
    inner = samples_at(x._samples, at)  # (B, newer samples, *shape)
    return BatchedTensor.of_samples(_swapped(inner), x._level)


def sample_of_all(samples: Any, at: Level) -> Any:
    """The inverse of `samples_at`."""
    if not isinstance(samples, BatchedTensor) or samples._level.number < at.number:
        return BatchedTensor.of_samples(samples, at)
    inner = sample_of_all(_swapped(samples._samples), at)
    return BatchedTensor.of_samples(inner, samples._level)


def _swapped(x: Any) -> Any:
    return TRANSPOSE(x, axes=(1, 0, *range(2, len(x.shape))))
