"""CTC loss against the sum over all alignments, its gradient against differences."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import plait as torch
from plait import nn
from plait.nn import functional as F


def by_all_paths(log_probs: np.ndarray, target: list[int], blank: int) -> float:
    """Minus the logarithm of the probability of all paths that collapse to the target."""
    total = 0.0
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        merged = [k for k, _ in itertools.groupby(path)]
        if [k for k in merged if k != blank] == target:
            total += np.exp(sum(log_probs[t, k] for t, k in enumerate(path)))
    return -np.log(total)


def scores(steps: int, count: int, classes: int) -> Any:
    raw = np.random.default_rng(steps).standard_normal((steps, count, classes))
    return F.log_softmax(torch.tensor(raw), 2)


@pytest.mark.parametrize("blank", [0, 2])
def test_sum_over_all_alignments(blank: int) -> None:
    log_probs = scores(5, 4, 3)
    names = [k for k in range(3) if k != blank]
    targets = [[names[0], names[1]], [names[1], names[1]], [names[0]], []]
    times, sizes = [5, 5, 3, 4], [2, 2, 1, 0]
    padded = torch.tensor([t + [names[0]] * (2 - len(t)) for t in targets])
    joined = torch.tensor([k for t in targets for k in t])
    expected = [
        by_all_paths(log_probs.numpy()[:n, i], target, blank)
        for i, (n, target) in enumerate(zip(times, targets))
    ]
    for given in (padded, joined):
        found = F.ctc_loss(log_probs, given, times, torch.tensor(sizes), blank, "none")
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9)
    mean = nn.CTCLoss(blank)(log_probs, padded, torch.tensor(times), torch.tensor(sizes))
    np.testing.assert_allclose(mean.item(), np.mean(np.array(expected) / np.maximum(sizes, 1)))
    one = F.ctc_loss(log_probs[:, 0], padded[0], [5], [2], blank, "sum")
    np.testing.assert_allclose(one.item(), expected[0])


def test_gradient() -> None:
    raw = torch.tensor(np.random.default_rng(1).standard_normal((6, 2, 4)), requires_grad=True)
    targets = torch.tensor([[1, 1, 2], [3, 1, 0]])

    def loss(x: Any) -> Any:
        return F.ctc_loss(F.log_softmax(x, 2), targets, [6, 5], [3, 2])

    assert torch.autograd.gradcheck(loss, (raw,))


def test_impossible_targets() -> None:
    log_probs = scores(2, 1, 3).requires_grad_()
    targets = torch.tensor([[1, 1]])  # three steps at least: 1, blank, 1
    assert F.ctc_loss(log_probs, targets, [2], [2]).item() == float("inf")
    found = F.ctc_loss(log_probs, targets, [2], [2], zero_infinity=True)
    found.backward()
    assert found.item() == 0 and log_probs.grad.eq(0).all()


def test_faults() -> None:
    log_probs = scores(3, 1, 3)
    with pytest.raises(RuntimeError, match="blank must be in label range"):
        F.ctc_loss(log_probs, torch.tensor([[1]]), [3], [1], blank=5)
    with pytest.raises(RuntimeError, match="input_lengths to have value at most 3"):
        F.ctc_loss(log_probs, torch.tensor([[1]]), [4], [1])
    with pytest.raises(RuntimeError, match="must be of size batch_size 1"):
        F.ctc_loss(log_probs, torch.tensor([[1]]), [3, 3], [1])
    with pytest.raises(RuntimeError, match="labels must be in"):
        F.ctc_loss(log_probs, torch.tensor([[7]]), [3], [1])
