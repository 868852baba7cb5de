"""Deep programs on tensors: no recursion, and work that grows with the number of operations."""

import sys

import plait as torch
from plait.core.lazy.replay.thread import threads


def chain(length):
    """x * w * w * ... : a chain of `length` recorded operations."""
    w = torch.ones((), dtype=torch.float64, requires_grad=True)
    y = w
    for _ in range(length):
        y = y * w
    return w, y


def test_a_chain_of_100_000_operations_records_differentiates_and_runs():
    w, y = chain(100_000)
    y.backward()
    assert w.grad.item() == 100_001.0
    assert y.item() == 1.0


def calls_of(function):
    """How many Python functions a call enters."""
    count = 0

    def note(frame, event, argument):
        nonlocal count
        count += event == "call"

    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


def test_work_is_linear_in_the_number_of_operations(monkeypatch):
    # Matching works on the first some thousand operations alone, which it may learn or not: its
    # cost is bounded, and uneven.
    threads.end()
    monkeypatch.setattr(threads, "matches", False)

    def step(length):
        w, y = chain(length)
        y.backward()
        w.grad.item()

    step(10)  # what is loaded and cached once
    small, large = calls_of(lambda: step(16_000)), calls_of(lambda: step(48_000))
    # Sweeps fall on fixed numbers of operations: some unevenness.
    assert large < 3 * 1.075 * small
