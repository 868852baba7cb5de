"""Pooling as launches of pooling kernels: channels last, and channels first one by one.

Channels-first ops take every channel for an image of its own, without vectors; the layout pass of a
whole program does better. Three spatial axes, and 16-bit sums at repeated positions (which round
once in the end, not at every addition), run on the reference.
"""

from __future__ import annotations

import math
from typing import Any

from plait.core.codegen import vectors
from plait.core.codegen.kernel import Launch
from plait.core.codegen.planes import Planes, planes_kernel
from plait.core.codegen.pool import Pool, pool_kernel
from plait.core.compiler.plan import Buffer, Plan
from plait.core.ir.op import elements

Ints = tuple[int, ...]


def _launch(
    plan: Plan,
    mode: str,
    images: int,
    image: Ints,
    extents: Ints,
    attrs: Any,
    outputs: list[Buffer],
    inputs: list[Buffer],
    plane: bool = False,
) -> bool:
    """image: (rows, columns, channels). A single spatial axis becomes a row."""

    def two(values: Any, first: int) -> Any:
        return (first, *values)[-2:]

    value = outputs[0] if mode == "max" else inputs[0]
    index = outputs[1] if mode == "max" else inputs[-1]
    if not vectors.is_supported(value.dtype):
        return False
    low = [before for before, _ in attrs["padding"]]
    what = Pool(
        mode,
        value.dtype.name,
        index.dtype.name if mode in ("max", "pick", "max_grad") else "uint8",
        image[2],
        image[0],
        image[1],
        two(extents, 1),
        two(attrs["window"], 1),
        two(attrs["strides"], 1),
        two(low, 0),
        two(attrs["dilation"], 1),
        plane,
    )
    if elements(outputs[0].shape) == 0:
        return True
    work = math.prod(what.window) * what.channels * what.extents[1]
    plan.launch(
        Launch(
            pool_kernel(what),
            tuple(outputs),
            tuple(inputs),
            units=images * what.unit_rows,
            numbers=(what.channels,),
            grain=max(1, (1 << 14) // max(1, work)),
            flops=images * what.unit_rows * work,
            bytes=sum(b.nbytes for b in (*outputs, *inputs)),
        )
    )
    return True


# -- channels last ----------------------------------------------------------------------------


def _forward_nhwc(mode: str) -> Any:
    def lower(made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Any = None) -> bool:
        if epilogue is not None:
            return False
        samples, *image = inputs[0].shape
        extents = outputs[0].shape[1:3]
        return _launch(
            plan, mode, samples, tuple(image), extents, made.attrs, list(outputs), list(inputs)
        )

    return lower


def _transposed_nhwc(mode: str) -> Any:
    def lower(made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Any = None) -> bool:
        if epilogue is not None:
            return False
        samples, *image = outputs[0].shape
        extents = inputs[0].shape[1:3]
        return _launch(
            plan, mode, samples, tuple(image), extents, made.attrs, list(outputs), list(inputs)
        )

    return lower


# -- channels first ---------------------------------------------------------------------------


def _planes(shape: Ints, rank: int) -> tuple[int, Ints]:
    """(number of planes, an image of one channel) of an array with one or two spatial axes."""
    rows, columns = (1, *shape[len(shape) - rank :])[-2:]
    return elements(shape[: len(shape) - rank]), (rows, columns, 1)


def _forward(mode: str) -> Any:
    def lower(made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Any = None) -> bool:
        rank = len(made.attrs["window"])
        if epilogue is not None or rank > 2:
            return False
        count, image = _planes(inputs[0].shape, rank)
        extents = outputs[0].shape[-rank:]
        return _launch(
            plan, mode, count, image, extents, made.attrs, list(outputs), list(inputs), True
        )

    return lower


def _lower_window_sum_grad(
    made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Any = None
) -> bool:
    rank = len(made.attrs["window"])
    if epilogue is not None or rank > 2:
        return False
    count, image = _planes(outputs[0].shape, rank)
    extents = inputs[0].shape[-rank:]
    return _launch(plan, "sum_grad", count, image, extents, made.attrs, list(outputs), list(inputs))


def _at_positions(
    plan: Plan, mode: str, plane: Ints, count: Ints, outputs: Any, inputs: Any
) -> bool:
    result = outputs[0]
    if not vectors.is_supported(result.dtype) or (mode == "scatter" and result.dtype.is_half):
        return False
    size, each = math.prod(plane), math.prod(count)
    if elements(result.shape) == 0:
        return True
    given = size if mode == "scatter" else each
    plan.launch(
        Launch(
            planes_kernel(Planes(mode, result.dtype.name, size, each)),
            tuple(outputs),
            tuple(inputs),
            units=elements(result.shape) // given,
            grain=max(1, (1 << 14) // (size + each)),
            bytes=sum(b.nbytes for b in (*outputs, *inputs)),
        )
    )
    return True


def _lower_pool_scatter(
    made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Any = None
) -> bool:
    if epilogue is not None:
        return False
    spatial = made.attrs["spatial"]
    count = inputs[0].shape[len(inputs[0].shape) - len(spatial) :]
    return _at_positions(plan, "scatter", spatial, count, outputs, inputs)


def _lower_pool_gather(
    made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Any = None
) -> bool:
    if epilogue is not None:
        return False
    rank = made.attrs["rank"]
    shape, count = inputs[0].shape, inputs[1].shape
    return _at_positions(
        plan, "gather", shape[len(shape) - rank :], count[len(count) - rank :], outputs, inputs
    )


LOWERINGS = {
    "max_pool": _forward("max"),
    "pool_scatter": _lower_pool_scatter,
    "pool_gather": _lower_pool_gather,
    "window_sum": _forward("sum"),
    "window_sum_grad": _lower_window_sum_grad,
    "max_pool_nhwc": _forward_nhwc("max"),
    "max_pool_nhwc_grad": _transposed_nhwc("max_grad"),
    "max_pool_nhwc_pick": _forward_nhwc("pick"),
    "window_sum_nhwc": _forward_nhwc("sum"),
    "window_sum_nhwc_grad": _transposed_nhwc("sum_grad"),
}
