"""Common divisors, flat indices, matrices of powers; values are PyTorch 2.13's."""

import pytest

import plait as torch


def test_gcd_and_lcm():
    a, b = torch.tensor([12, -18, 0, 7]), torch.tensor([8, 27, 0, 0])
    assert torch.gcd(a, b).tolist() == [4, 9, 0, 7]
    assert torch.lcm(a, b).tolist() == [24, 54, 0, 0]
    assert torch.tensor([12, 18]).gcd_(torch.tensor(8)).tolist() == [4, 2]
    mixed = torch.lcm(torch.tensor([4], dtype=torch.int32), torch.tensor([6], dtype=torch.uint8))
    assert (mixed.tolist(), mixed.dtype) == ([12], torch.int32)
    with pytest.raises(NotImplementedError, match="gcd_cpu"):
        torch.gcd(torch.ones(1), torch.ones(1))


def test_unravel_index():
    rows, columns = torch.unravel_index(torch.tensor([[0, 5], [4, 2]]), (2, 3))
    assert rows.tolist() == [[0, 1], [1, 0]]
    assert columns.tolist() == [[0, 2], [1, 2]]
    assert [x.item() for x in torch.unravel_index(torch.tensor(7), 9)] == [7]
    with pytest.raises(TypeError, match="expected 'indices' to be integer dtype"):
        torch.unravel_index(torch.tensor([1.0]), (2,))
    with pytest.raises(ValueError, match="cannot have negative values"):
        torch.unravel_index(torch.tensor([1]), (2, -1))


def test_vander():
    x = torch.tensor([1.0, 2.0, 3.0])
    assert torch.vander(x).tolist() == [[1, 1, 1], [4, 2, 1], [9, 3, 1]]
    assert torch.vander(x.long(), 2, increasing=True).tolist() == [[1, 1], [1, 2], [1, 3]]
    with pytest.raises(RuntimeError, match="one-dimensional"):
        torch.vander(torch.ones(2, 2))


def test_other_names():
    assert torch.range(1, 4).tolist() == [1, 2, 3, 4]
    assert torch.row_stack((torch.arange(2), torch.arange(2))).shape == (2, 2)
    assert torch.zeros(2, 3).swapaxes_(0, 1).shape == (3, 2)
    assert torch.adjoint(torch.arange(6.0).reshape(2, 3)).shape == (3, 2)
    assert torch.ldexp_(torch.ones(2), torch.tensor(3)).tolist() == [8, 8]
    assert (torch.get_device(torch.ones(1)), torch.is_signed(torch.ones(1))) == (-1, True)
    assert torch.sym_max(1, 2.0) == 2.0
    assert torch.sym_int(3.7) == 3
    assert torch.GradScaler is torch.amp.GradScaler


def test_levels_of_determinism():
    torch.set_deterministic_debug_mode("warn")
    assert torch.get_deterministic_debug_mode() == 1
    assert torch.is_deterministic_algorithms_warn_only_enabled()
    torch.set_deterministic_debug_mode(0)
    assert not torch.are_deterministic_algorithms_enabled()
    with pytest.raises(RuntimeError, match="invalid value of debug_mode"):
        torch.set_deterministic_debug_mode("sometimes")


def test_counts_that_are_drawn():
    torch.manual_seed(0)
    drawn = torch.poisson(torch.full((4000,), 3.0))
    assert abs(drawn.mean().item() - 3) < 0.14  # five deviations of the mean of 4000
    drawn = torch.binomial(torch.full((4000,), 10.0), torch.full((4000,), 0.3))
    assert abs(drawn.mean().item() - 3) < 0.12
    assert torch.poisson(torch.zeros(2)).tolist() == [0, 0]
    with pytest.raises(RuntimeError, match="non-negative"):
        torch.poisson(torch.tensor([-1.0]))
    with pytest.raises(ValueError, match="probabilities"):
        torch.binomial(torch.ones(1), torch.tensor([2.0]))
