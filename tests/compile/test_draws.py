"""Random draws by probabilities in compiled steps: anew in each call, the numbers of plain ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import plait as torch
from tests.compile.test_steps import programs

DRAWS: dict[str, Callable[[Any], Any]] = {
    "bernoulli": lambda p: torch.bernoulli(p),
    "of what is computed": lambda p: (p * p).bernoulli() + p,
    "bernoulli_": lambda p: torch.zeros(3, 8).bernoulli_(p),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("name", DRAWS)
def test_draws_by_probabilities(name: str, dtype: Any) -> None:
    chances = torch.linspace(0, 1, 8, dtype=dtype)
    torch.manual_seed(3)
    expected = [DRAWS[name](chances).tolist() for _ in range(6)]
    after = torch.rand(2).tolist()
    compiled = torch.compile(DRAWS[name], fullgraph=True)
    torch.manual_seed(3)
    assert [compiled(chances).tolist() for _ in range(6)] == expected
    assert torch.rand(2).tolist() == after
    assert programs(compiled) == 1
    assert expected[0] != expected[1]


def test_what_is_no_probability_leaves_the_random_numbers_alone() -> None:
    compiled = torch.compile(lambda p: torch.bernoulli(p))
    for _ in range(3):
        compiled(torch.tensor([0.5, 0.5])).tolist()
    state = torch.get_rng_state()
    for bad in ([0.5, 1.5], [float("nan"), 0.0]):
        with pytest.raises(RuntimeError, match="p_in >= 0"):
            compiled(torch.tensor(bad)).tolist()
        assert torch.equal(torch.get_rng_state(), state)
    assert compiled(torch.tensor([0.0, 1.0])).tolist() == [0.0, 1.0]
