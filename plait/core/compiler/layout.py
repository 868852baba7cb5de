"""Layout: convolutions work channels-last; transposes stand at the edges and are moved together.

`channels_last` puts each 2-D convolution and max-pooling into its channels-last twin between two
transposes. `sink_transposes` then moves transposes from the operands of elementwise ops and
reductions to their results, where they meet the next twin's transpose and cancel (`simplify`).
"""

from __future__ import annotations

from collections.abc import Callable

from plait.core.compiler.rewrite import Builder, Value, rewrite
from plait.core.ir.graph import Graph, Instruction
from plait.core.ir.op import Lowering
from plait.core.ops.source import FULL
from plait.core.ops.view import BROADCAST, RESHAPE, TRANSPOSE, inverse_permutation

TO_LAST = (0, 2, 3, 1)
TO_FIRST = (0, 3, 1, 2)

#: (builder, instruction, operands) -> the value that takes its place, by op name.
Twin = Callable[[Builder, Instruction, tuple[int, ...]], Value]


def channels_last(graph: Graph) -> Graph:
    """The graph with 2-D convolutions and poolings as channels-last ops between transposes."""
    from plait.core.compiler.twins import twins_of

    twins = twins_of(graph)
    if all(made.op.name not in twins for made in graph.instructions):
        return graph

    def rule(build: Builder, made: Instruction, args: tuple[Value, ...]) -> Value:
        twin = twins.get(made.op.name)
        if twin is None or any(isinstance(arg, tuple) for arg in args):
            return None
        return twin(build, made, args)

    return rewrite(graph, rule)


def sink_transposes(graph: Graph) -> Graph:
    """The graph with transposes moved behind elementwise ops and reductions."""
    if all(made.op is not TRANSPOSE for made in graph.instructions):
        return graph

    def rule(build: Builder, made: Instruction, args: tuple[Value, ...]) -> Value:
        if any(isinstance(arg, tuple) for arg in args) or isinstance(made.dtype, tuple):
            return None
        if made.op is TRANSPOSE:
            # Programs that keep channels last transpose for themselves: cancel before sinking.
            return transposed(build, args[0], made.attrs["axes"])
        if made.op.lowering is Lowering.ELEMENTWISE and made.op.check is None:
            return _sink_elementwise(build, made, args)
        if made.op.lowering is Lowering.REDUCE and "axes" in made.attrs:
            return _sink_reduction(build, made, args)
        return None

    return rewrite(graph, rule)


def _permutation(build: Builder, value: int) -> tuple[int, ...] | None:
    made = build.made(value)
    return made.attrs["axes"] if made is not None and made.op is TRANSPOSE else None


def _is_spread(build: Builder, value: int) -> bool:
    """A constant, or the broadcast of a smaller value: free to be laid out in any way."""
    made = build.made(value)
    return made is not None and (made.op is FULL or made.op is BROADCAST)


def _sink_elementwise(build: Builder, made: Instruction, args: tuple[int, ...]) -> Value:
    """op(transpose x, transpose y, spread z) = transpose op(x, y, transposed spread z)."""
    found = {_permutation(build, a) for a in args if not _is_spread(build, a)}
    if len(found) != 1 or None in found:
        return None
    (axes,) = found
    assert axes is not None
    moved = [_laid_out(build, arg, axes) for arg in args]
    return build.transpose(build.emit(made.op, *moved, source=made.source, **made.attrs), axes)


def _laid_out(build: Builder, value: int, axes: tuple[int, ...]) -> int:
    """The value whose transpose by `axes` is `value`."""
    made = build.made(value)
    assert made is not None
    if made.op is TRANSPOSE and made.attrs["axes"] == axes:
        return made.args[0]
    shape = [0] * len(axes)
    for place, axis in enumerate(axes):
        shape[axis] = made.shape[place]
    if made.op is FULL:
        return build.full(made.attrs["value"], tuple(shape), made.dtype)
    return _laid_out_broadcast(build, made, axes, tuple(shape))


def _laid_out_broadcast(
    build: Builder, made: Instruction, axes: tuple[int, ...], shape: tuple[int, ...]
) -> int:
    source = made.args[0]
    lead = len(axes) - len(build.spec(source).shape)
    aligned = build.reshape(source, (*[1] * lead, *build.spec(source).shape))
    turned = _small_transpose(build, aligned, inverse_permutation(axes))
    return build.broadcast(turned, shape)


def _small_transpose(build: Builder, value: int, axes: tuple[int, ...]) -> int:
    """A transpose; a reshape where it only moves axes of extent 1."""
    shape = build.spec(value).shape
    kept = [axis for axis in axes if shape[axis] != 1]
    if kept == sorted(kept):
        made = build.made(value)
        source = made.args[0] if made is not None and made.op is RESHAPE else value
        return build.reshape(source, tuple([shape[axis] for axis in axes]))
    inner = build.made(value)
    if inner is not None and inner.op is TRANSPOSE:
        joined = tuple([inner.attrs["axes"][axis] for axis in axes])
        return build.transpose(inner.args[0], joined)
    return build.transpose(value, axes)


def _sink_reduction(build: Builder, made: Instruction, args: tuple[int, ...]) -> Value:
    """fold(transpose x) = transpose fold(x) over the axes where they came from."""
    axes = _permutation(build, args[0])
    inner = build.made(args[0])
    if axes is None or inner is None:
        return None
    folded = tuple(sorted(axes[axis] for axis in made.attrs["axes"]))
    return _small_transpose(build, build.emit(made.op, inner.args[0], axes=folded), axes)


def transposed(build: Builder, value: int, axes: tuple[int, ...]) -> int:
    """A transpose that cancels against the one that made the value."""
    made = build.made(value)
    if made is not None and made.op is TRANSPOSE:
        joined = tuple([made.attrs["axes"][axis] for axis in axes])
        return build.transpose(made.args[0], joined)
    return build.transpose(value, axes)
