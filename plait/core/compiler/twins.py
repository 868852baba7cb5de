"""The channels-last twins of ops on channels-first images: which op, between which transposes.

Max-pooling is replaced where nobody but its own gradient reads the positions: channels-last kernels
keep positions within the window, which are smaller and need no search.
"""

from __future__ import annotations

from typing import Any

from plait.core.compiler.layout import TO_FIRST, TO_LAST, Twin, transposed
from plait.core.compiler.rewrite import Builder, Value, uses
from plait.core.ir.graph import Graph, Instruction
from plait.core.ir.op import ITEM
from plait.core.ops.conv import CONV, CONV_INPUT_GRAD, CONV_WEIGHT_GRAD
from plait.core.ops.conv_nhwc import CONV_NHWC, CONV_NHWC_INPUT_GRAD, CONV_NHWC_WEIGHT_GRAD
from plait.core.ops.pool_nhwc import (
    MAX_POOL_NHWC,
    MAX_POOL_NHWC_GRAD,
    WINDOW_SUM_NHWC,
    WINDOW_SUM_NHWC_GRAD,
    windows_meet_image,
)
from plait.core.ops.window import MAX_POOL, POOL_SCATTER, WINDOW_SUM, WINDOW_SUM_GRAD


def twins_of(graph: Graph) -> dict[str, Twin]:
    """The rules that apply to a graph, by the name of the op that is replaced."""
    rules: dict[str, Twin] = {
        CONV.name: _conv,
        CONV_INPUT_GRAD.name: _input_grad,
        CONV_WEIGHT_GRAD.name: _weight_grad,
        WINDOW_SUM.name: _window_sum,
        WINDOW_SUM_GRAD.name: _window_sum_grad,
    }
    pools = _private_pools(graph)
    if pools is not None:
        rules[MAX_POOL.name] = _max_pool
        rules[POOL_SCATTER.name] = _pool_scatter
    return rules


def _last(build: Builder, x: int) -> int:
    return transposed(build, x, TO_LAST)


def _planes(build: Builder, x: int) -> int:
    """(N, C, L) as (N, C, 1, L); images as they are."""
    shape = build.spec(x).shape
    return build.reshape(x, (*shape[:2], 1, shape[2])) if len(shape) == 3 else x


def _plane_attrs(attrs: dict[str, Any]) -> dict[str, Any]:
    """Attributes of a convolution over one spatial axis for two, the first of extent 1."""
    before = {"strides": 1, "padding": (0, 0), "dilation": 1, "spatial": 1, "kernel": 1}
    return {
        name: (before[name], *value) if name in before and len(value) == 1 else value
        for name, value in attrs.items()
    }


def _applies(build: Builder, args: tuple[int, ...]) -> bool:
    spec = build.spec(args[0])
    return len(spec.shape) in (3, 4) and spec.dtype.kind == "f" and 0 not in spec.shape


def _conv(build: Builder, made: Instruction, args: tuple[int, ...]) -> Value:
    if not _applies(build, args):
        return None
    x, w = [_planes(build, arg) for arg in args]
    y = build.emit(CONV_NHWC, _last(build, x), w, **_plane_attrs(made.attrs))
    return build.reshape(build.transpose(y, TO_FIRST), made.shape)


def _input_grad(build: Builder, made: Instruction, args: tuple[int, ...]) -> Value:
    if not _applies(build, args):
        return None
    g, w = [_planes(build, arg) for arg in args]
    y = build.emit(CONV_NHWC_INPUT_GRAD, _last(build, g), w, **_plane_attrs(made.attrs))
    return build.reshape(build.transpose(y, TO_FIRST), made.shape)


def _weight_grad(build: Builder, made: Instruction, args: tuple[int, ...]) -> Value:
    if not _applies(build, args):
        return None
    x, g = [_last(build, _planes(build, arg)) for arg in args]
    y = build.emit(CONV_NHWC_WEIGHT_GRAD, x, g, **_plane_attrs(made.attrs))
    return build.reshape(y, made.shape)


def _private_pools(graph: Graph) -> set[int] | None:
    """The places of max-poolings over images, if only their gradients read any positions."""
    first = len(graph.inputs)
    readers = uses(graph)
    pools = {p for p, made in enumerate(graph.instructions) if made.op is MAX_POOL}
    for place in pools:
        made = graph.instructions[place]
        if (
            len(made.attrs["window"]) != 2
            or len(made.shape[0]) != 4
            or first + place in graph.outputs
        ):
            return None
        if not windows_meet_image(graph.type_of(made.args[0]).shape[2:], made.attrs):
            return None
        for item in readers[first + place]:
            if graph.instructions[item].attrs["index"] == 0:
                continue
            users = [graph.instructions[u] for u in readers[first + item]]
            if first + item in graph.outputs or any(u.op is not POOL_SCATTER for u in users):
                return None
            spatial = graph.type_of(made.args[0]).shape[2:]
            if any(u.attrs["spatial"] != spatial or u.args[1] != first + item for u in users):
                return None
    for made in graph.instructions:
        if made.op is POOL_SCATTER and not _is_position(graph, made.args[1], pools):
            return None
    return pools


def _is_position(graph: Graph, value: int, pools: set[int]) -> bool:
    """Whether a value is the positions that one of these poolings gave."""
    first = len(graph.inputs)
    made = graph.instructions[value - first] if value >= first else None
    return made is not None and made.op is ITEM and made.args[0] - first in pools


def _max_pool(build: Builder, made: Instruction, args: tuple[int, ...]) -> Value:
    both = build.emit(MAX_POOL_NHWC, _last(build, args[0]), **made.attrs)
    values = build.emit(ITEM, both, index=0)
    positions = build.emit(ITEM, both, index=1)
    return build.transpose(values, TO_FIRST), positions


def _pool_scatter(build: Builder, made: Instruction, args: tuple[int, ...]) -> Value:
    g, positions = args
    item = build.made(positions)
    assert item is not None
    pool = build.made(item.args[0])
    assert pool is not None
    y = build.emit(
        MAX_POOL_NHWC_GRAD, _last(build, g), positions, spatial=made.attrs["spatial"], **pool.attrs
    )
    return build.transpose(y, TO_FIRST)


def _window_sum(build: Builder, made: Instruction, args: tuple[int, ...]) -> Value:
    if len(build.spec(args[0]).shape) != 4 or len(made.attrs["window"]) != 2:
        return None
    y = build.emit(WINDOW_SUM_NHWC, _last(build, args[0]), **made.attrs)
    return build.transpose(y, TO_FIRST)


def _window_sum_grad(build: Builder, made: Instruction, args: tuple[int, ...]) -> Value:
    if len(build.spec(args[0]).shape) != 4 or len(made.attrs["window"]) != 2:
        return None
    y = build.emit(WINDOW_SUM_NHWC_GRAD, _last(build, args[0]), **made.attrs)
    return build.transpose(y, TO_FIRST)
