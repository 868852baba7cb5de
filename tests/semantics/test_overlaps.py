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


def _row_of_an_expansion() -> Any:
    x = plait.zeros(1, 3)
    x.expand(4, 3)[1] = plait.tensor([1.0, 2.0, 3.0])
    x.expand(4, 3)[2].add_(1)
    return x


def _part_of_an_expansion() -> Any:
    x = plait.arange(6.0).reshape(2, 1, 3)
    x.expand(2, 5, 3).transpose(0, 1)[4, :, ::2].mul_(10)
    return x.flatten()


def _expansion_under_gradients() -> Any:
    w = plait.ones(1, 3, requires_grad=True)
    x = w * 2
    x.expand(4, 3)[3, 1:].mul_(plait.tensor([5.0, 7.0]))
    x.sum().backward()
    return w.grad[0]


EXPECTED: list[tuple[Callable[[], Any], list[Any]]] = [
    (_scaled_row, [0, 5, 2, 3, 4, 5, 6, 7]),
    (_window, [7, 8, 2, 3, 4]),
    (_parts_of_windows, [[0, 1, 2, 3], [104, 5, 106, 7], [108, 9, 110, 11]]),
    (_of_a_transposed_tensor, [[0, -4, 8], [1, 5, 9], [2, 6, 10], [-3, 7, 11]]),
    (_one_element, [0, 1, 2, 9, 4, 5]),
    (_under_gradients, [0, 6, 12, 18, 8]),
    (_row_of_an_expansion, [[2, 3, 4]]),
    (_part_of_an_expansion, [0, 1, 20, 30, 4, 50]),
    (_expansion_under_gradients, [2, 10, 14]),
]


@pytest.mark.parametrize(("program", "expected"), EXPECTED)
def test_only_the_part_is_written(program: Callable[[], Any], expected: list[Any]) -> None:
    for _ in range(4):
        assert program().tolist() == expected


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.expand(4, 3),
        lambda x: x.expand(4, 3)[1:3],
        lambda x: x.expand(4, 3)[:, 1],
        lambda x: x.as_strided((2, 3), (0, 1)),
        lambda x: x.as_strided((3, 2), (1, 0))[1:],
    ],
)
def test_an_element_that_is_shown_several_times_is_not_written(view: Any) -> None:
    x = plait.zeros(1, 3)
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        view(x).add_(1)
    assert x.tolist() == [[0, 0, 0]]
