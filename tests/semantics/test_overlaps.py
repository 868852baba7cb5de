"""Writing through parts of views whose elements overlap: expected values are PyTorch 2.13's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import plait


def _scaled_row() -> Any:
    x = plait.arange(8.0)
    x.as_strided((3, 2), (1, 1))[0].mul_(5)
    return x


def _window() -> Any:
    x = plait.arange(5.0)
    x.unfold(0, 2, 1)[0] = plait.tensor([7.0, 8.0])
    return x


def _parts_of_windows() -> Any:
    x = plait.arange(12.0).reshape(3, 4)
    x.unfold(1, 3, 1)[1:, 0, ::2].add_(100)
    return x


def _of_a_transposed_tensor() -> Any:
    x = plait.arange(12.0).reshape(3, 4).t()
    x.as_strided((2, 3, 2), (1, 2, 1), 1)[:, 1, 0].neg_()
    return x


def _one_element() -> Any:
    x = plait.arange(6.0)
    x.as_strided((2, 2, 2), (1, 1, 1))[1, 1, 1] = 9.0
    return x


def _under_gradients() -> Any:
    w = plait.ones(5, requires_grad=True)
    x = w * 2
    x.unfold(0, 3, 1)[1].mul_(3)
    (x * plait.arange(5.0)).sum().backward()
    return w.grad


EXPECTED: list[tuple[Callable[[], Any], list[Any]]] = [
    (_scaled_row, [0, 5, 2, 3, 4, 5, 6, 7]),
    (_window, [7, 8, 2, 3, 4]),
    (_parts_of_windows, [[0, 1, 2, 3], [104, 5, 106, 7], [108, 9, 110, 11]]),
    (_of_a_transposed_tensor, [[0, -4, 8], [1, 5, 9], [2, 6, 10], [-3, 7, 11]]),
    (_one_element, [0, 1, 2, 9, 4, 5]),
    (_under_gradients, [0, 6, 12, 18, 8]),
]


@pytest.mark.parametrize(("program", "expected"), EXPECTED)
def test_only_the_part_is_written(program: Callable[[], Any], expected: list[Any]) -> None:
    for _ in range(4):
        assert program().tolist() == expected
