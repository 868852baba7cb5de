"""`vmap`: a function of one sample as a function of many, without a loop."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from plait._functions.joining import cat
from plait._tensor import Tensor
from plait.core.batching.levels import Level, level
from plait.core.functional.axes import normal_axis
from plait.core.ir.errors import error
from plait.func._batched import BatchedTensor, samples_at
from plait.utils._pytree import tree_flatten, tree_unflatten

_RANDOMNESS = ("error", "different", "same")


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """A function that applies `func` to each sample of its arguments at once (`torch.func.vmap`).

    in_dims: the axis of the samples, for each argument or for all (None: the same for all samples);
    nested like the arguments. out_dims: where the samples go in the results. randomness: whether
    random draws raise RuntimeError, are made for each sample, or once for all. chunk_size: at most
    so many samples at a time. Raises ValueError where arguments and axes do not fit.
    """
    if randomness not in _RANDOMNESS:
        raise error(
            RuntimeError,
            f"Only allowed values for randomness are 'error', 'different', or 'same'. Got "
            f"{randomness}",
        )
    if chunk_size is not None and chunk_size <= 0:
        raise error(
            ValueError, f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})"
        )

    @functools.wraps(func)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        leaves, tree = tree_flatten(args)
        axes = _axes_of(in_dims, args, func)
        size = _size(leaves, axes)
        moved = [x if axis is None else _axis_first(x, axis) for x, axis in zip(leaves, axes)]
        keys, named = tree_flatten(kwargs)  # tensors given by name have their samples along axis 0
        moved += keys
        axes += [0 if isinstance(x, Tensor) else None for x in keys]
        step = size if chunk_size is None else chunk_size
        parts = []
        for start in range(0, max(size, 1), max(step, 1)):
            stop = min(start + step, size)
            whole = start == 0 and stop == size
            chunk = [x if axis is None or whole else x[start:stop] for x, axis in zip(moved, axes)]
            with level(stop - start, randomness) as at:
                given = [
                    x if axis is None else BatchedTensor.of_samples(x, at)
                    for x, axis in zip(chunk, axes)
                ]
                positional = tree_unflatten(given[: len(leaves)], tree)
                by_name = tree_unflatten(given[len(leaves) :], named)
                parts.append(_results(func(*positional, **by_name), out_dims, at, func))
        return parts[0] if len(parts) == 1 else _joined(parts, out_dims)

    return mapped


def _name(func: Any) -> str:
    return getattr(func, "__name__", repr(func))


def _axes_of(in_dims: Any, args: tuple, func: Any) -> list[int | None]:
    """The axis of the samples of each leaf among the arguments."""
    if not args:
        raise error(
            ValueError,
            f"vmap({_name(func)})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you "
            "are trying to vmap over a function with no inputs. The latter is unsupported.",
        )
    if not isinstance(in_dims, (int, tuple, list, dict)) and in_dims is not None:
        raise error(
            ValueError,
            f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>): expected `in_dims` to be int "
            f"or a (potentially nested) tuple matching the structure of inputs, got: "
            f"{type(in_dims)}.",
        )
    if isinstance(in_dims, int) or in_dims is None:
        spread = [in_dims] * len(tree_flatten(args)[0])
    else:
        spread = _spread(tuple(in_dims) if isinstance(in_dims, list) else in_dims, args, in_dims)
    found: list[int | None] = []
    for leaf, axis in zip(tree_flatten(args)[0], spread):
        if not isinstance(leaf, Tensor):
            if axis is not None:
                raise error(
                    ValueError,
                    f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>): Got in_dim={axis} for "
                    f"an input but the input is of type {type(leaf)}. We cannot vmap over "
                    "non-Tensor arguments, please use None as the respective in_dim",
                )
            found.append(None)
        elif axis is None:
            found.append(None)
        else:
            if not isinstance(axis, int) or not -leaf.ndim <= axis < leaf.ndim:
                raise error(
                    ValueError,
                    f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>): Got in_dim={axis} for "
                    f"some input, but that input is a Tensor of dimensionality {leaf.ndim} so "
                    f"expected in_dim to satisfy -{leaf.ndim} <= in_dim < {leaf.ndim}.",
                )
            found.append(axis % leaf.ndim)
    return found


def _spread(axes: Any, tree: Any, in_dims: Any) -> list[Any]:
    """One axis per leaf, from axes nested as the upper part of the tree is."""
    if axes is None or isinstance(axes, int):
        return [axes] * len(tree_flatten(tree)[0])
    pairs: Any = None
    if isinstance(axes, (tuple, list)) and isinstance(tree, (tuple, list)):
        pairs = list(zip(axes, tree)) if len(axes) == len(tree) else None
    elif isinstance(axes, dict) and isinstance(tree, dict) and axes.keys() == tree.keys():
        pairs = [(axes[name], tree[name]) for name in tree]
    if pairs is None:
        raise error(
            ValueError,
            f"vmap(in_dims={in_dims}): in_dims is not compatible with the structure of `inputs`: "
            f"it has structure {axes!r} where the inputs have {type(tree).__name__} of "
            f"{len(tree_flatten(tree)[0])} values",
        )
    return [axis for part, subtree in pairs for axis in _spread(part, subtree, in_dims)]


def _size(leaves: list[Any], axes: list[int | None]) -> int:
    sizes = [x.shape[axis] for x, axis in zip(leaves, axes) if axis is not None]
    if not sizes:
        raise error(
            ValueError,
            "vmap: at least one of the inputs must have samples (all in_dims are None)",
        )
    if len(set(sizes)) > 1:
        raise error(
            ValueError,
            "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
            f"{sizes} for the mapped dimension",
        )
    return sizes[0]


def _axis_first(x: Any, axis: int) -> Any:
    return x if axis == 0 else x.movedim(axis, 0)


def _results(result: Any, out_dims: Any, at: Level, func: Any) -> Any:
    """The results of all samples, with the samples where `out_dims` wants them."""
    leaves, tree = tree_flatten(result)
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise error(
                ValueError,
                f"vmap({_name(func)}, ...): `{_name(func)}` must only return Tensors, got type "
                f"{type(leaf)}. Did you mean to set out_dims= to None for output?",
            )
    axes = _spread(out_dims, result, out_dims) if leaves else []
    placed = []
    for leaf, axis in zip(leaves, axes):
        if axis is None:
            if isinstance(leaf, BatchedTensor) and leaf._level is at:
                raise error(
                    ValueError,
                    f"vmap({_name(func)}, ...): `{_name(func)}` can not return a BatchedTensor "
                    "when out_dim is None",
                )
            placed.append(leaf)
            continue
        samples = samples_at(leaf, at)
        axis = normal_axis(axis, samples.ndim, "vmap")
        placed.append(samples if axis == 0 else samples.movedim(0, axis))
    return tree_unflatten(placed, tree)


def _joined(parts: list[Any], out_dims: Any) -> Any:
    """The results of several chunks as one."""
    axes = _spread(out_dims, parts[0], out_dims)
    columns = list(zip(*[tree_flatten(part)[0] for part in parts]))
    joined = [
        column[0] if axis is None else cat(list(column), axis)
        for column, axis in zip(columns, axes)
    ]
    return tree_unflatten(joined, tree_flatten(parts[0])[1])
