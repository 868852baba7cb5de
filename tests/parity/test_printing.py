"""Tensors print as in PyTorch, character for character."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from tests.parity.compare import Hunt

SHAPES = [(), (1,), (7,), (30,), (3, 4), (2, 3, 4), (2, 1, 2, 3), (1001,), (40, 40), (2, 9, 70)]
FEW = [(), (5,), (30,), (1001,), (4, 5), (2, 3, 4), (8, 9)]
FLOATS = ["float16", "bfloat16", "float32", "float64"]
INTEGERS = ["uint8", "int8", "int16", "int32", "int64", "bool"]
KINDS = ["plain", "whole", "wide", "tiny", "huge", "specials", "whole specials"]
OPTIONS = [
    {"precision": 0},
    {"precision": 8},
    {"threshold": 5},
    {"threshold": 5, "edgeitems": 1},
    {"linewidth": 40},
    {"linewidth": 10},
    {"sci_mode": True},
    {"sci_mode": False},
    {"profile": "short"},
    {"profile": "full"},
    {"profile": "short", "precision": 6},
]


def numbers(kind: str, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers of one character."""
    rng = np.random.default_rng(len(shape) + sum(shape))
    x = np.asarray(rng.standard_normal(shape))
    if kind == "whole":
        return np.round(x * 100)
    if kind == "wide":
        return x * 10.0 ** (x * 4)
    if kind == "tiny":
        return x * 1e-5
    if kind == "huge":
        return np.round(x * 1e9)
    if kind == "specials":
        table = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1.5])
        return table[rng.integers(0, 6, shape)]
    if kind == "whole specials":
        return np.array([np.nan, -np.inf, 12.0, 0.0])[rng.integers(0, 4, shape)]
    return x


def tensor(t: Any, kind: str, shape: tuple[int, ...], dtype: str) -> Any:
    """Such numbers as a tensor of some dtype."""
    x = t.from_numpy(np.array(numbers(kind, shape)))
    if dtype.startswith("complex"):
        return t.complex(x, t.from_numpy(np.array(numbers("plain", shape)))).to(getattr(t, dtype))
    return x.to(getattr(t, dtype))


@pytest.mark.parametrize("dtype", [*FLOATS, "complex64", "complex128"])
def test_floats(dtype: str) -> None:
    hunt = Hunt("printing", dtype)
    for kind, shape in itertools.product(KINDS, SHAPES):
        hunt.check(f"{kind} {shape}", lambda t: repr(tensor(t, kind, shape, dtype)))  # noqa: B023 -- runs at once
    hunt.verdict()


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers(dtype: str) -> None:
    hunt = Hunt("printing", dtype)
    for shape, size in itertools.product(SHAPES, (1, 9, 60)):

        def case(t: Any, shape: Any = shape, size: int = size) -> str:
            values = np.array(np.abs(numbers("plain", shape)) * size).astype(np.int64)
            return repr(t.from_numpy(values).to(getattr(t, dtype)))

        hunt.check(f"{shape} to {size}", case)
    hunt.verdict()


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS, "complex64"])
def test_empty(dtype: str) -> None:
    hunt = Hunt("printing", f"empty {dtype}")
    for shape in [(0,), (0, 3), (2, 0, 4)]:
        hunt.check(f"{shape}", lambda t: repr(t.zeros(shape, dtype=getattr(t, dtype))))  # noqa: B023 -- runs at once
    hunt.verdict()


def facts(t: Any) -> list[str]:
    """What is told besides the values: gradients, parameters, another default dtype."""
    found = []
    for shape in [(), (3,), (9,), (4, 4), (12, 6), (0,), (0, 2)]:
        leaf = t.linspace(0, 3, int(np.prod(shape))).reshape(shape).requires_grad_()
        made = [leaf, leaf + 1, leaf * 2, leaf.exp(), leaf.sum(), leaf.reshape(-1), leaf.double()]
        made += [t.nn.Parameter(leaf.detach()), t.nn.Parameter(leaf.detach(), False)]
        found += [repr(one) for one in made]
    t.set_default_dtype(t.float64)
    try:
        for dtype in ("float32", "float64", "complex64", "complex128", "int64"):
            one = t.ones(3, dtype=getattr(t, dtype))
            found += [repr(one), repr(one[:0])]
    finally:
        t.set_default_dtype(t.float32)
    return found


@pytest.mark.plain  # the text of a tensor within a compiled function is another
def test_facts() -> None:
    hunt = Hunt("printing")
    hunt.check("facts", facts)
    hunt.verdict()


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_options(options: dict[str, Any]) -> None:
    hunt = Hunt("printing", f"{options}")

    def case(t: Any, kind: str, shape: tuple[int, ...]) -> list[str]:
        t.set_printoptions(**options)
        try:
            return [repr(tensor(t, kind, shape, d)) for d in ("float32", "complex64", "int64")]
        finally:
            t.set_printoptions(profile="default")

    for kind, shape in itertools.product(("plain", "whole", "wide", "tiny"), FEW):
        hunt.check(f"{kind} {shape}", lambda t: case(t, kind, shape))  # noqa: B023 -- runs at once
    hunt.verdict()
