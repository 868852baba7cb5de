"""Views as index arithmetic, against NumPy's own results for the same chain of ops."""

from __future__ import annotations

import numpy as np
import pytest

from plait.core.compiler import views
from plait.core.compiler.rewrite import Builder
from plait.core.ir import dtypes
from plait.core.ir.node import Spec
from plait.core.ops.view import BROADCAST, FLIP, PAD, RESHAPE, SLICE, TRANSPOSE
from plait.core.reference.executor import run

CHAINS = {
    "split heads": (
        (2, 3, 8),
        [(RESHAPE, {"shape": (2, 3, 2, 4)}), (TRANSPOSE, {"axes": (0, 2, 1, 3)})],
    ),
    "bias per channel": (
        (3,),
        [(RESHAPE, {"shape": (1, 3, 1, 1)}), (BROADCAST, {"shape": (2, 3, 4, 5)})],
    ),
    "slice, then flip": (
        (5, 6),
        [
            (SLICE, {"starts": (1, 0), "stops": (5, 6), "steps": (2, 1)}),
            (FLIP, {"axes": (1,)}),
        ],
    ),
    "padding, then transpose and slice": (
        (2, 3),
        [
            (PAD, {"low": (1, 0), "high": (0, 2), "interior": (0, 0), "value": 7.0}),
            (TRANSPOSE, {"axes": (1, 0)}),
            (SLICE, {"starts": (1, 0), "stops": (5, 3), "steps": (1, 1)}),
        ],
    ),
    "merge and split": ((4, 6), [(RESHAPE, {"shape": (2, 12)}), (RESHAPE, {"shape": (8, 3)})]),
    "merge what a slice left whole": (
        (4, 2, 3),
        [
            (SLICE, {"starts": (1, 0, 0), "stops": (3, 2, 3), "steps": (1, 1, 1)}),
            (RESHAPE, {"shape": (2, 6)}),
        ],
    ),
}  # fmt: skip


def elements_of(view: views.View, base: np.ndarray) -> np.ndarray:
    """The value that a view stands for, element by element."""
    flat = base.reshape(-1)
    result = np.empty(view.shape, base.dtype)
    for index in np.ndindex(*view.shape):
        inside = all(g.low <= index[g.loop] < g.high for g in view.guards)
        place = view.offset + sum(i * s for i, s in zip(index, view.strides))
        result[index] = flat[place] if inside else view.fill
    return result


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_of_views_is_one_view(name: str) -> None:
    shape, chain = CHAINS[name]
    build = Builder([Spec(shape, dtypes.float32)])
    view, value = views.whole(0, shape), 0
    for op, attrs in chain:
        value = build.emit(op, value, **attrs)
        made = build.made(value)
        assert made is not None
        moved = views.apply(view, made)
        assert moved is not None
        view = moved
    base = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    (wanted,) = run(build.finish([value]), [base])
    np.testing.assert_array_equal(elements_of(view, base), wanted)


def test_a_reshape_that_strides_cannot_say_is_refused() -> None:
    assert views.reshaped_strides((3, 2), (1, 3), (6,)) is None
    assert views.reshaped_strides((2, 3), (0, 1), (6,)) is None


@pytest.mark.parametrize("seed", range(60))
def test_strides_of_a_reshape_agree_with_numpy(seed: int) -> None:
    random = np.random.RandomState(seed)
    shape = tuple(int(n) for n in random.choice((1, 2, 3, 4, 6), random.randint(1, 5)))
    base = (
        np.arange(np.prod(shape) * 4).reshape(*[2 * n if i < 2 else n for i, n in enumerate(shape)])
        if len(shape) >= 2
        else np.arange(np.prod(shape) * 4).reshape(-1)
    )
    array = base[tuple(slice(0, n) for n in shape)]
    array = array.transpose(random.permutation(array.ndim))
    count = array.size
    first = int(random.choice([d for d in range(1, count + 1) if count % d == 0]))
    wanted = (first, count // first)
    strides = tuple(0 if n == 1 else s // 8 for n, s in zip(array.shape, array.strides))
    found = views.reshaped_strides(array.shape, strides, wanted)
    if found is not None:
        seen = np.lib.stride_tricks.as_strided(array, wanted, [8 * s for s in found])
        np.testing.assert_array_equal(seen, array.reshape(wanted))
    else:
        assert not np.shares_memory(array.reshape(wanted), array)
