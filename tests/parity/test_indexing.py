"""Random index expressions: reading, writing, gradients, strides of views."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from tests.parity.compare import Hunt

SHAPES = ((4, 3, 5), (6,), (2, 3, 2, 4), (3, 3), (1, 4), ())
SEEDS = range(700)


class Expression:
    """An index expression as a recipe that either framework's tensors are made from."""

    def __init__(self, seed: int) -> None:
        self.choose = random.Random(seed)
        self.shape = self.choose.choice(SHAPES)
        self.items = self._items()
        self.bare = len(self.items) == 1 and self.choose.random() < 0.6

    def _items(self) -> list[tuple[Any, ...]]:
        count = self.choose.choice([1, 1, 2, 2, 3, 4])
        items: list[tuple[Any, ...]] = []
        axis = 0
        length = self.choose.choice([1, 2, 3])
        for _ in range(count):
            extent = self.shape[axis] if axis < len(self.shape) else self.choose.choice([2, 3])
            kind = self.choose.choice(
                [
                    "int",
                    "int",
                    "slice",
                    "slice",
                    "slice",
                    "none",
                    "dots",
                    "mask",
                    "mask2",
                    "array",
                    "array",
                    "array",
                    "list",
                    "nested",
                    "numpy",
                    "zero",
                    "bool",
                    "zerobool",
                    "empty",
                ]
            )
            held = [item[0] for item in items]
            # The other framework loses count of the axes where both a matrix mask and a bool occur.
            if (kind == "dots" and "dots" in held) or ("bool" in kind and "mask" in held):
                kind = "slice"
            items.append(self._item(kind, extent, axis, length))
            axis += {"none": 0, "dots": 0, "bool": 0, "zerobool": 0, "mask2": 2}.get(kind, 1)
        return items

    def _item(self, kind: str, extent: int, axis: int, length: int) -> tuple[Any, ...]:
        pick = self.choose
        wild = pick.random() < 0.03
        places = [pick.randrange(-extent, extent) for _ in range(length)]
        if kind in ("int", "zero"):
            return kind, extent + 1 if wild else places[0]
        if kind == "slice":
            ends = [None, *range(-extent - 1, extent + 2)]
            return kind, pick.choice(ends), pick.choice(ends), pick.choice([None, None, 1, 2, 3])
        if kind in ("mask", "mask2"):
            wanted = self.shape[axis : axis + (2 if kind == "mask2" else 1)] or (extent,)
            if wild:
                wanted = (wanted[0] + 1, *wanted[1:])
            size = int(np.prod(wanted))
            form = pick.choice(["tensor", "numpy", "list"])
            if len(wanted) > 1:
                form = (
                    "tensor" if form == "list" else form
                )  # it is counted as one axis, then as two
            return "mask", form, wanted, [pick.random() < 0.5 for _ in range(size)]
        if kind in ("array", "numpy"):
            shape = pick.choice([(length,), (length,), (2, length), (1, 1)])
            size = int(np.prod(shape))
            dtype = pick.choice(["int64", "int64", "int32", "uint8" if wild else "int64"])
            return kind, dtype, shape, [pick.choice(places) for _ in range(size)]
        if kind == "list":
            return kind, places
        if kind == "nested":
            return "list", [places, places[::-1]]
        return (kind, pick.random() < 0.7)

    def build(self, t: Any) -> Any:
        """The expression for one framework."""
        items = [self._built(t, item) for item in self.items]
        return items[0] if self.bare else tuple(items)

    def _built(self, t: Any, item: tuple[Any, ...]) -> Any:
        kind = item[0]
        if kind == "slice":
            return slice(*item[1:])
        if kind == "mask":
            _, form, shape, values = item
            array = np.array(values, dtype=bool).reshape(shape)
            return {"tensor": t.tensor, "numpy": np.array, "list": np.ndarray.tolist}[form](array)
        if kind in ("array", "numpy"):
            _, dtype, shape, values = item
            array = np.array(values).astype(dtype).reshape(shape)
            return array if kind == "numpy" else t.tensor(array)
        return {
            "int": lambda: item[1],
            "zero": lambda: t.tensor(item[1]),
            "none": lambda: None,
            "dots": lambda: Ellipsis,
            "bool": lambda: item[1],
            "zerobool": lambda: t.tensor(item[1]),
            "list": lambda: item[1],
            "empty": lambda: t.tensor([], dtype=t.int64),
        }[kind]()

    def tensor(self, t: Any) -> Any:
        """The indexed tensor."""
        count = int(np.prod(self.shape))
        return t.arange(count, dtype=t.float32).reshape(self.shape)

    def __str__(self) -> str:
        return f"{list(self.shape)}{self.items}{'' if self.bare else ' tuple'}"


def described(x: Any) -> Any:
    """A tensor with its place in memory."""
    return x, list(x.stride()), x.is_contiguous(), x.storage_offset()


def read(t: Any, e: Expression) -> Any:
    """x[e], with strides where it is a view."""
    x = e.tensor(t)
    y = x[e.build(t)]
    return described(y) if shares(x, y) else y


def shares(x: Any, y: Any) -> bool:
    """Whether two tensors have one storage (an empty one has no address to tell)."""
    return y.numel() > 0 and x.untyped_storage().data_ptr() == y.untyped_storage().data_ptr()


def write_number(t: Any, e: Expression) -> Any:
    """x[e] = number."""
    x = e.tensor(t)
    x[e.build(t)] = -7
    return x


def write_tensor(t: Any, e: Expression) -> Any:
    """x[e] = tensor of the same shape (distinct places only, else the order is not defined)."""
    x = e.tensor(t)
    key = e.build(t)
    ones = t.ones_like(x[key])
    x[key] = ones * -3
    return x


def write_row(t: Any, e: Expression) -> Any:
    """x[e] = value that broadcasts over all but the last axis."""
    x = e.tensor(t)
    key = e.build(t)
    shape = x[key].shape
    x[key] = t.full((1, *shape[-1:]), -9.0)
    return x


def add_to(t: Any, e: Expression) -> Any:
    """x[e] += number."""
    x = e.tensor(t)
    x[e.build(t)] += 100
    return x


def scale_view(t: Any, e: Expression) -> Any:
    """x[e].mul_(number): seen in x only where x[e] is a view."""
    x = e.tensor(t)
    x[e.build(t)].mul_(-1)
    return x


def gradient(t: Any, e: Expression) -> Any:
    """The gradient of a weighted sum of x[e]."""
    x = e.tensor(t).requires_grad_()
    y = x[e.build(t)]
    (y * (1 + t.arange(y.numel()).reshape(y.shape))).sum().backward()
    return x.grad


def write_gradient(t: Any, e: Expression) -> Any:
    """Gradients of the written tensor and of the value."""
    x = e.tensor(t).requires_grad_()
    value = t.tensor(2.0, requires_grad=True)
    y = x * 2
    y[e.build(t)] = value
    (y * y).sum().backward()
    # A value nobody wrote, or an x wholly written over, has either no gradient or one of zeros.
    return [t.zeros_like(v) if v.grad is None else v.grad for v in (x, value)]


CASES = (
    read,
    write_number,
    write_tensor,
    write_row,
    add_to,
    scale_view,
    gradient,
    write_gradient,
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_index_expressions(case: Any) -> None:
    hunt = Hunt("indexing", f"index_expressions.{case.__name__}")
    for seed in SEEDS:
        e = Expression(seed)
        hunt.check(f"{case.__name__} seed {seed}: {e}", lambda t: case(t, e))  # noqa: B023 -- runs at once
    hunt.verdict()


BAD = {
    "float index": lambda t, x: x[1.5],
    "string": lambda t, x: x["a"],
    "too many": lambda t, x: x[0, 0, 0, 0],
    "out of range": lambda t, x: x[7],
    "negative out of range": lambda t, x: x[0, -9],
    "float tensor": lambda t, x: x[t.tensor([1.0])],
    "mask of another shape": lambda t, x: x[t.tensor([True, False])],
    "index tensor out of range": lambda t, x: x[t.tensor([9])].sum().item(),
    "negative step": lambda t, x: x[::-1],
    "indices that do not broadcast": lambda t, x: x[t.tensor([0, 1]), t.tensor([0, 1, 2])],
    "value of another shape": lambda t, x: x.__setitem__(0, t.ones(7)),
    "value for a mask": lambda t, x: x.__setitem__(x > 5, t.ones(3)),
    "0-d": lambda t, x: t.tensor(1.0)[0],
    "set out of range": lambda t, x: x.__setitem__(9, 1.0),
    "slice of floats": lambda t, x: x[0.5:2],
    "string value": lambda t, x: x.__setitem__(0, "a"),
    "none value": lambda t, x: x.__setitem__(0, None),
    "delete": lambda t, x: x.__delitem__(0),
    "iterate 0-d": lambda t, x: list(t.tensor(1.0)),
    "len of 0-d": lambda t, x: len(t.tensor(1.0)),
}


def test_bad_expressions() -> None:
    hunt = Hunt("indexing", "bad_expressions")
    for label, case in BAD.items():
        hunt.check(label, lambda t: case(t, t.arange(12.0).reshape(3, 4)))  # noqa: B023 -- runs at once
    hunt.verdict()
