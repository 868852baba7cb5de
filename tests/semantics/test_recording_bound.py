"""The bound on waiting nodes, and what it must not do."""

import pytest

import plait as torch
from plait.core.lazy.recorder import recorder


@pytest.mark.plain
def test_waiting_nodes_are_bounded():
    held = [torch.ones(2) * i for i in range(10_000)]
    waiting = sum(x.read().value is None for x in held)
    assert waiting <= 4096
    assert held[9_999].tolist() == [9_999.0, 9_999.0]


def test_a_failure_that_waits_is_raised_to_its_reader_alone():
    index = (torch.arange(3) * 7).clone()
    bad = torch.zeros(5)[index]
    held = [torch.ones(2) * i for i in range(6_000)]
    recorder.sweep()
    assert held[5_999].tolist() == [5_999.0, 5_999.0]
    with pytest.raises(IndexError, match="index 7 is out of bounds"):
        bad.tolist()


def test_running_statistics_are_computed_with_the_step():
    """Unread buffers must not keep the activations of step after step."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(6, 4)).square().sum().backward()
        optimizer.step()
        assert model[1].running_mean.storage_cell.node.value is not None
        assert model[1].num_batches_tracked.storage_cell.node.value is not None
