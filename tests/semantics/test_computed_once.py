"""What runs, and how often: counted by op over the graphs that reach the executor."""

import contextlib
import gc
from collections import Counter

import plait as torch
from plait.core.runtime import realize


@contextlib.contextmanager
def counted():
    """Counts executed instructions by op name."""
    counts = Counter()

    def observe(graph):
        counts.update(made.op.name for made in graph.instructions)

    realize.observers.append(observe)
    try:
        yield counts
    finally:
        realize.observers.remove(observe)


def two_layers():
    torch.manual_seed(0)
    x = torch.randn(8, 5)
    w1 = torch.randn(5, 7, requires_grad=True)
    w2 = torch.randn(7, 3, requires_grad=True)
    return w1, w2, ((x @ w1).tanh() @ w2).exp().sum()


def test_nothing_runs_before_a_value_is_needed():
    with counted() as counts:
        _, _, loss = two_layers()
        loss.backward()
    assert not counts


def test_loss_read_before_backward_costs_no_second_forward():
    with counted() as counts:
        w1, w2, loss = two_layers()
        loss.item()
        loss.backward()
        w1.grad.tolist()
        w2.grad.tolist()
    assert counts["tanh"] == 1
    assert counts["exp"] == 1
    # Two forward products, and one per weight and one for the hidden layer going back.
    assert counts["dot_general"] == 5


def test_loss_read_after_backward_costs_the_same():
    with counted() as counts:
        w1, w2, loss = two_layers()
        loss.backward()
        w1.grad.tolist()
        loss.item()
        w2.grad.tolist()
    assert counts["tanh"] == 1
    assert counts["exp"] == 1
    assert counts["dot_general"] == 5


def test_a_value_that_nobody_holds_is_not_computed():
    with counted() as counts:
        x = torch.randn(4)
        x.exp()
        x.tanh().sum().item()
    assert counts["exp"] == 0
    assert counts["tanh"] == 1


def test_saved_values_go_with_the_last_handle():
    """Without the garbage collector: nothing of a step survives its handles."""
    gc.disable()
    try:
        w1, w2, loss = two_layers()
        loss.item()
        before = _live_nodes()
        del loss
        after = _live_nodes()
    finally:
        gc.enable()
    assert after < before
    # What is left belongs to the two weights and to the module-level constants.
    assert _live_nodes() - after <= 0
    assert w1.grad is None
    assert w2.grad is None


def _live_nodes():
    from plait.core.ir.node import Node

    return sum(type(thing) is Node for thing in gc.get_objects())


def test_output_of_a_step_read_after_the_update_is_the_old_one():
    w = torch.ones(3, requires_grad=True)
    out = w * torch.arange(3.0)
    out.sum().backward()
    with torch.no_grad():
        w -= w.grad
    w.tolist()
    assert out.tolist() == [0.0, 1.0, 2.0]
    assert w.tolist() == [1.0, 0.0, -1.0]
