"""Sums and extremes over segments of rows, and the partition of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import plait
from plait.core.ir.errors import error
from plait.tf import errors
from plait.tf._convert import convert, inner, wrap
from plait.tf._dispatch import op


def _reduced(data: Any, segments: Any, count: int, how: str) -> Any:
    """Rows with the same segment number combined; segments without rows get the neutral value."""
    rows = inner(data)
    places = inner(segments).to(plait.int64)
    rest = rows.shape[places.ndim :]
    flat, places = rows.reshape((-1, *rest)), places.reshape(-1)
    shape = (count, *rest)
    if how in ("sum", "mean"):
        # Negative numbers are left out, as TensorFlow does.
        base = plait.zeros(shape, dtype=flat.dtype)
        made = plait.index_add(base, 0, places, flat)
        if how == "sum":
            return made
        counts = plait.index_add(
            plait.zeros((count,), dtype=flat.dtype),
            0,
            places,
            plait.ones((places.shape[0],), dtype=flat.dtype),
        )
        return made / plait.clamp(counts, min=1).reshape((-1, *(1,) * len(rest)))
    starts = {"prod": 1, "amax": _limit(flat.dtype, False), "amin": _limit(flat.dtype, True)}
    base = plait.full(shape, starts[how], dtype=flat.dtype)
    return plait.index_reduce(base, 0, places, flat, how)


def _limit(dtype: Any, greatest: bool) -> Any:
    info = plait.finfo(dtype) if dtype.kind == "f" else plait.iinfo(dtype)
    return info.max if greatest else info.min


def _sorted(public: str, how: str) -> Callable[..., Any]:
    def segment(data: Any, segment_ids: Any) -> Any:
        places = convert(segment_ids)._array()
        if np.any(np.diff(places) < 0):
            raise error(errors.InvalidArgumentError, "segment ids are not increasing")
        count = int(places[-1]) + 1 if places.size else 0
        made = _reduced(data, segment_ids, count, how)
        if how in ("amax", "amin"):
            # Segments without rows are 0 here.
            there = plait.from_numpy(np.isin(np.arange(count), places))
            made = plait.where(
                there.reshape((-1, *(1,) * (made.ndim - 1))), made, plait.zeros_like(made)
            )
        return wrap(made)

    segment.__name__ = public
    segment.__doc__ = "Rows with the same number, which must not fall, combined."
    return op(segment)


def _unsorted(public: str, how: str) -> Callable[..., Any]:
    def segment(data: Any, segment_ids: Any, num_segments: Any) -> Any:
        return wrap(_reduced(data, segment_ids, int(num_segments), how))

    segment.__name__ = public
    segment.__doc__ = "Rows with the same number combined, in `num_segments` rows."
    return op(segment)


segment_sum, segment_mean = _sorted("segment_sum", "sum"), _sorted("segment_mean", "mean")
segment_max, segment_min = _sorted("segment_max", "amax"), _sorted("segment_min", "amin")
segment_prod = _sorted("segment_prod", "prod")
unsorted_segment_sum = _unsorted("unsorted_segment_sum", "sum")
unsorted_segment_mean = _unsorted("unsorted_segment_mean", "mean")
unsorted_segment_max = _unsorted("unsorted_segment_max", "amax")
unsorted_segment_min = _unsorted("unsorted_segment_min", "amin")
unsorted_segment_prod = _unsorted("unsorted_segment_prod", "prod")


@op
def dynamic_partition(data: Any, partitions: Any, num_partitions: int) -> Any:
    """The rows of each partition, as a list of tensors."""
    value, places = convert(data), convert(partitions)._array()
    if value.dtype.core is None:
        from plait.tf._tensor import of_array

        return [of_array(value._array()[places == k]) for k in range(num_partitions)]
    rows = value.inner()
    rest = rows.shape[places.ndim :]
    flat = rows.reshape((-1, *rest))
    return [
        wrap(plait.index_select(flat, 0, plait.from_numpy(np.flatnonzero(places == k))))
        for k in range(num_partitions)
    ]


@op
def dynamic_stitch(indices: Any, data: Any) -> Any:
    """Rows from several tensors put at the places given; later ones win."""
    places = [convert(i)._array() for i in indices]
    values = [inner(d) for d in data]
    rest = values[0].shape[places[0].ndim :]
    count = int(max(p.max(initial=-1) for p in places)) + 1
    flat = plait.cat([v.reshape((-1, *rest)) for v in values], dim=0)
    source = np.zeros(count, np.int64)
    offset = 0
    for p in places:
        source[p.reshape(-1)] = offset + np.arange(p.size)
        offset += p.size
    return wrap(plait.index_select(flat, 0, plait.from_numpy(source)))
