"""Random draws recorded after an op that is refused late are undone with it."""

import pytest

import plait as torch
import plait.nn.functional as F


def failing_loss(logits, target):
    """A loss whose labels are results themselves: the bad one is found when it is read."""
    return F.cross_entropy(logits, target * 3)


def test_draws_after_the_fault_are_undone():
    torch.manual_seed(7)
    logits = torch.randn(4, 5, requires_grad=True)
    target = torch.arange(4).clone()
    before = torch.get_rng_state()
    loss = failing_loss(logits, target)
    noise = torch.randn(3)
    kept = F.dropout(torch.ones(100), 0.5)
    with pytest.raises(IndexError, match="out of bounds"):
        loss.item()
    assert torch.equal(torch.get_rng_state(), before)
    # What was drawn stays what it was; the next draws repeat it.
    assert torch.randn(3).tolist() == noise.tolist()
    assert F.dropout(torch.ones(100), 0.5).tolist() == kept.tolist()


def test_draws_before_the_fault_stay():
    torch.manual_seed(7)
    logits = torch.randn(4, 5, requires_grad=True)
    target = torch.arange(4).clone()
    torch.randn(3)
    before = torch.get_rng_state()
    with pytest.raises(IndexError, match="out of bounds"):
        failing_loss(logits, target).item()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_good_step_undoes_nothing():
    torch.manual_seed(7)
    logits = torch.randn(4, 5, requires_grad=True)
    loss = F.cross_entropy(logits, torch.arange(4) + 1)
    torch.randn(3)
    after = torch.get_rng_state()
    loss.item()
    assert torch.equal(torch.get_rng_state(), after)
