"""Random bits of native code: word for word those of the reference."""

from __future__ import annotations

import numpy as np
import pytest

from plait.core.compiler.lower.random import lower_random_bits
from plait.core.ir import dtypes
from plait.core.ops.random import BERNOULLI_MASK, RANDOM_BITS
from tests.codegen.harness import run_op
from tests.executors import EXECUTORS
from tests.ops.one_op import Sample, forward_graph

COUNTERS = ((0, 0), (1, 5), (2**40 + 3, 2**35 + 1), (-1, 2**62))


@pytest.mark.parametrize("isa", ("avx512", "avx2"))
@pytest.mark.parametrize("shape", ((1,), (5,), (33,), (3, 100), (9000,)), ids=str)
@pytest.mark.parametrize("counter", COUNTERS, ids=str)
def test_bits_are_the_references(counter: tuple[int, int], shape: tuple, isa: str) -> None:
    array = np.array(counter, np.int64)
    made = run_op(lower_random_bits, RANDOM_BITS, [array], [dtypes.int64], {"shape": shape}, isa)
    assert RANDOM_BITS.reference is not None
    np.testing.assert_array_equal(made[0], RANDOM_BITS.reference(array, shape=shape))


def test_a_mask_is_the_same_on_every_executor() -> None:
    sample = Sample((np.array([7, 3], np.int64),), {"shape": (50, 33), "p": 0.3})
    graph = forward_graph(BERNOULLI_MASK, sample)
    masks = [run(graph, list(sample.inputs))[0] for run in EXECUTORS.values()]
    assert all((mask == masks[0]).all() for mask in masks)
