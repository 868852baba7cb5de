"""Deep programs on tensors: no recursion, and work that grows with the number of operations."""

import sys

import plait as torch


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


def test_work_is_linear_in_the_number_of_operations():
    def step(length):
        w, y = chain(length)
        y.backward()
        w.grad.item()

    for _ in range(3):
        step(24_000)  # what is loaded, cached and learned once
    # The first some thousand operations are matched against what was recorded before, the others
    # are not: the next 8,000 cost what the 8,000 after them do. Sweeps fall on fixed numbers of
    # operations: some unevenness.
    first, second, third = (calls_of(lambda n=n: step(n)) for n in (24_000, 32_000, 40_000))
    assert third - second < 1.1 * (second - first)
