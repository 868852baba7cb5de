"""`map` with parallel calls: blocks of elements give what elements alone give, or are not made."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import plait.tf as tf
from plait.tf import nest
from plait.tf.data._blocks import Blocks
from plait.tf.data._elements import Mapped, results

pytestmark = pytest.mark.plain  # functions count their calls, and raise for values


def in_blocks(function: Any, count: int = 700) -> tuple[list[Any], list[Any], Any]:
    """(the results of a parallel map, those of a plain one, the functions of blocks)."""
    data = tf.data.Dataset.range(count)
    mapped = Mapped(function)
    together = list(Blocks(mapped, data.elements()))
    blocks = [block for block in mapped._blocks.values() if block is not None]
    return together, list(map(Mapped(function), data.elements())), blocks


@pytest.mark.parametrize(
    "function",
    [
        lambda x: (tf.cast(x, tf.float32) / 255.0, tf.one_hot(x % 10, 10)),
        lambda x: {"a": x, "b": (x * 2, [x, x])},
        lambda x: tf.gather(tf.range(1000) * 2, x),
        lambda x: tf.reverse(tf.reshape(tf.range(12) + tf.cast(x, tf.int32), [2, 2, 3]), [1]),
    ],
)
def test_blocks_give_what_elements_give(function: Any) -> None:
    together, alone, blocks = in_blocks(function)
    assert len(blocks) == 1
    for made, value in zip(together, alone):
        want = results(value)
        for a, b in zip(nest.flatten(made), nest.flatten(want)):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype
            assert a.base is None or a.base.size == a.size  # it keeps no block


def test_what_depends_on_the_block_runs_element_by_element() -> None:
    counter = tf.Variable(0)

    def counting(x: Any) -> Any:
        counter.assign_add(1)
        return x

    for function in (
        counting,
        lambda x: tf.random.uniform([]) + tf.cast(x, tf.float32),
        lambda x: tf.reduce_sum(tf.cast(tf.range(5), tf.float32)) * tf.cast(x, tf.float32),
        lambda x: x if x > 600 else -x,
        lambda x: tf.fill([x % 3], x),
    ):
        together, _, blocks = in_blocks(function, 600)
        assert not blocks and len(together) == 600
    assert int(counter) == 1200  # once for each element, of both maps


def test_a_fault_comes_at_its_element() -> None:
    def inverse(x: Any) -> Any:
        return tf.debugging.check_numerics(1.0 / tf.cast(x - 590, tf.float32), "bad")

    found = iter(tf.data.Dataset.range(700).map(inverse, num_parallel_calls=2))
    for _ in range(590):
        next(found)
    with pytest.raises(tf.errors.InvalidArgumentError, match="bad"):
        next(found)

    def numbers() -> Any:
        yield from range(600)
        raise KeyError("mine")

    source = tf.data.Dataset.from_generator(numbers, output_signature=tf.TensorSpec([], tf.int64))
    rest = iter(source.map(lambda x: x + 1, num_parallel_calls=2))
    assert [int(next(rest)) for _ in range(600)] == list(range(1, 601))
    with pytest.raises(KeyError):
        next(rest)
