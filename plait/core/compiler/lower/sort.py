"""Lowerings of `sort` and `topk`."""

from __future__ import annotations

from typing import Any

from plait.core.codegen import vectors
from plait.core.codegen.kernel import Launch
from plait.core.codegen.sort import SHORT, Sort, scratch_bytes, sort_kernel
from plait.core.compiler.lower.gather import grain_of
from plait.core.compiler.plan import Plan
from plait.core.ir.op import elements

#: Longer lines would need more private memory than a thread should hold (32 bytes an element).
_LONGEST = 1 << 24


def _launch(inputs: Any, outputs: Any, plan: Plan, axis: int, kept: int, descending: bool) -> bool:
    (x,) = inputs
    if not vectors.is_supported(x.dtype):
        return False
    if not elements(x.shape) or not kept:
        return True
    count, inner = x.shape[axis], elements(x.shape[axis + 1 :])
    style = "one" if kept == 1 else "short" if count <= SHORT else "long"
    if style == "long" and count > _LONGEST:
        return False
    what = Sort(x.dtype.name, descending, style)
    plan.launch(
        Launch(
            sort_kernel(what),
            tuple(outputs),
            (x,),
            units=elements(x.shape[:axis]) * inner,
            numbers=(count, kept, inner),
            grain=grain_of(64 * count),
            scratch=scratch_bytes(what, count),
            flops=elements(x.shape) * count.bit_length(),
            bytes=x.nbytes + sum(b.nbytes for b in outputs),
        )
    )
    return True


def _lower_sort(made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Any = None) -> bool:
    if epilogue is not None:
        return False
    axis = made.attrs["axis"]
    count = inputs[0].shape[axis]
    return _launch(inputs, outputs, plan, axis, count, made.attrs["descending"])


def _lower_topk(made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Any = None) -> bool:
    if epilogue is not None:
        return False
    attrs = made.attrs
    return _launch(inputs, outputs, plan, attrs["axis"], attrs["k"], attrs["largest"])


LOWERINGS = {"sort": _lower_sort, "topk": _lower_topk}
